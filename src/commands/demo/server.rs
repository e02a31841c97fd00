//! The two providers of the demo: an exchange and a chart service on one loopback port.

use std::collections::HashMap;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use super::data::Market;

/// The longest head of a request; those of barn have a few hundred bytes.
const MAX_HEAD_BYTES: u64 = 16 << 10;

/// Answers until it is dropped.
pub(super) struct Server {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts on a free port.
    pub(super) fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&stop);
        let acceptor = thread::Builder::new().spawn(move || accept(&listener, &is_over))?;
        Ok(Self { address, stop, acceptor: Some(acceptor) })
    }

    /// Returns its address, as a definition names it.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // The acceptor sleeps until somebody comes; if nobody can come, it is left to the end of the process.
        if TcpStream::connect(self.address).is_ok() {
            self.acceptor.take().map(JoinHandle::join).transpose().ok();
        }
    }
}

fn accept(listener: &TcpListener, stop: &AtomicBool) {
    let market = Arc::new(Market::new());
    for stream in listener.incoming() {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        let market = Arc::clone(&market);
        // The thread of a connection ends with its client, which is a command of the demo.
        stream.and_then(|stream| thread::Builder::new().spawn(move || serve(stream, &market).ok())).ok();
    }
}

fn serve(mut stream: TcpStream, market: &Market) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    while let Some(target) = read_target(&mut reader)? {
        let (status, body) = match answer(&target, market) {
            Some(body) => ("200 OK", body),
            None => ("404 Not Found", "{\"code\":-1121,\"msg\":\"Invalid symbol.\"}".to_owned()),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all((head + &body).as_bytes())?;
    }
    Ok(())
}

/// Reads a request without a body and returns what it asks for, `None` at the end of the connection.
fn read_target(reader: &mut BufReader<TcpStream>) -> io::Result<Option<String>> {
    let mut head = String::new();
    let mut limited = reader.take(MAX_HEAD_BYTES);
    while !head.ends_with("\r\n\r\n") {
        if limited.read_line(&mut head)? == 0 {
            return Ok(None);
        }
    }
    Ok(head.split(' ').nth(1).map(ToOwned::to_owned))
}

/// Returns the answer to a path and query, `None` where there is nothing.
fn answer(target: &str, market: &Market) -> Option<String> {
    let (path, query) = target.split_once('?')?;
    let query: HashMap<&str, &str> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
    let number = |name: &str| query.get(name)?.parse::<i64>().ok();
    match path {
        "/api/v3/klines" if query.get("symbol") == Some(&"BTCUSDT") => {
            let limit = usize::try_from(number("limit")?).ok()?;
            Some(market.rows(number("startTime")?, number("endTime")?, limit))
        }
        "/v8/finance/chart/ACME" => Some(market.columns(number("period1")?, number("period2")?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(server: &Server, target: &str) -> String {
        let mut stream = TcpStream::connect(server.address).unwrap();
        write!(stream, "GET {target} HTTP/1.1\r\nHost: demo\r\n\r\n").unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn it_answers_for_both_providers_and_for_nothing_else() {
        let server = Server::start().unwrap();
        let bars = get(
            &server,
            "/api/v3/klines?symbol=BTCUSDT&interval=1h&startTime=1714521600000&endTime=1714525200000&limit=500",
        );
        let (head, body) = bars.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with(&format!("Length: {}", body.len()))
        );
        // Both ends are inclusive.
        assert!(body.starts_with("[[1714521600000,\"") && body.contains("[1714525200000,\""), "{body}");
        assert!(get(&server, "/v8/finance/chart/ACME?period1=0&period2=9").contains("\"result\""));
        for target in ["/", "/x?y=z", "/api/v3/klines?symbol=ABC", "/v8/finance/chart/ACME?period1=x"] {
            assert!(get(&server, target).starts_with("HTTP/1.1 404 "), "{target}");
        }
    }

    #[test]
    fn a_head_without_an_end_is_given_up() {
        let server = Server::start().unwrap();
        let mut stream = TcpStream::connect(server.address).unwrap();
        // It may close before all is written.
        stream.write_all("x".repeat(40_000).as_bytes()).ok();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok();
        assert_eq!(answer, b"");
    }
}
