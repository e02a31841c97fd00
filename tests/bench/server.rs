//! A server of bars on loopback, which answers after a fixed time.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// A server of daily bars as arrays: `/bars?symbol=S1&from=SECONDS&to=SECONDS`.
pub(super) struct Server {
    port: u16,
    is_stopped: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(super) fn start(latency: Duration) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let is_stopped = Arc::new(AtomicBool::new(false));
        let asked = Arc::new(AtomicUsize::new(0));
        let (stopped, count) = (Arc::clone(&is_stopped), Arc::clone(&asked));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let stream = stream.unwrap();
                let count = Arc::clone(&count);
                std::thread::spawn(move || serve(&stream, latency, &count));
            }
        });
        Self { port, is_stopped, asked, thread: Some(thread) }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Returns how many requests there were since the last call.
    pub(super) fn take(&self) -> usize {
        self.asked.swap(0, Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_stopped.store(true, Ordering::SeqCst);
        // Wakes the listener.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// Answers the requests of a connection until it closes.
fn serve(stream: &TcpStream, latency: Duration, asked: &AtomicUsize) {
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
        let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
        loop {
            line.clear();
            if !reader.read_line(&mut line).is_ok_and(|bytes| bytes > 2) {
                break;
            }
        }
        line.clear();
        asked.fetch_add(1, Ordering::SeqCst);
        let number = |name: &str| -> i64 {
            let value = target.split(['?', '&']).find_map(|pair| pair.strip_prefix(name));
            value.and_then(|value| value.parse().ok()).unwrap_or(0)
        };
        let body = rows(number("from="), number("to="), number("step=").max(1));
        std::thread::sleep(latency);
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let mut out = stream;
        if out.write_all(head.as_bytes()).and_then(|()| out.write_all(body.as_bytes())).is_err() {
            break;
        }
    }
    stream.shutdown(Shutdown::Both).ok();
}

fn rows(from: i64, to: i64, step: i64) -> String {
    let mut text = String::from("[");
    for at in (from.div_euclid(step) * step..to).step_by(usize::try_from(step).unwrap()) {
        let price = 100 + at / step % 97;
        let comma = if text.len() > 1 { "," } else { "" };
        write!(text, "{comma}[{at},{price}.25,{price}.75,{price}.0,{price}.5,{}]", 1_000 + at % 9_973)
            .unwrap();
    }
    text.push(']');
    text
}
