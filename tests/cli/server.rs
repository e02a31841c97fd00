//! A web server for tests: HTTP/1.1 on a free loopback port. A closure decides what is answered and what
//! goes wrong on the way, and every request is kept with the time of its arrival.

use std::collections::HashMap;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::harness::gzip;

/// The first byte of a client that speaks TLS.
const TLS_HANDSHAKE: u8 = 0x16;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// The decoded path.
    pub(crate) path: String,
    /// The decoded pairs behind the question mark.
    pub(crate) query: Vec<(String, String)>,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The path and query as they were sent.
    pub(crate) target: String,
    pub(crate) at: Instant,
    /// How many requests were before this one.
    pub(crate) number: usize,
}

impl Seen {
    /// Returns a value of the query, `""` without it.
    pub(crate) fn param(&self, name: &str) -> &str {
        pair(&self.query, name).unwrap_or_default()
    }

    /// Returns a whole number of the query.
    pub(crate) fn integer(&self, name: &str) -> i64 {
        let text = self.param(name);
        text.parse().unwrap_or_else(|err| panic!("{name}={text} in '{}': {err}", self.target))
    }

    /// Returns the value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        pair(&self.headers, name)
    }

    fn parse(bytes: &[u8], body: usize) -> Option<Self> {
        let head = std::str::from_utf8(&bytes[..body]).ok()?;
        let mut lines = head.split("\r\n");
        let mut words = lines.next()?.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        Some(Self {
            method,
            path: percent_encoding::percent_decode_str(path).decode_utf8_lossy().into_owned(),
            query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            headers: headers.collect(),
            body: bytes[body..].to_vec(),
            target,
            at: Instant::now(),
            number: 0,
        })
    }
}

fn pair<'p>(pairs: &'p [(String, String)], name: &str) -> Option<&'p str> {
    pairs.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
}

/// What is answered, and how.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    delay: Duration,
    manner: Manner,
}

/// How a body travels.
#[derive(Clone, Copy, Debug)]
enum Manner {
    Whole,
    /// In chunks of this size.
    Chunked(usize),
    /// With this length in the header, whatever it has.
    Claiming(usize),
    /// This many bytes, then the connection ends.
    Cut(usize),
    /// This many bytes, then the connection is reset.
    Reset(usize),
    /// A byte, a pause, a byte.
    Drip(Duration),
    /// Nothing at all: the connection ends.
    Close,
}

impl Reply {
    /// An answer without a body.
    pub(crate) fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), delay: Duration::ZERO, manner: Manner::Whole }
    }

    /// A JSON document, status 200.
    pub(crate) fn json(body: impl Into<Vec<u8>>) -> Self {
        Self::new(200).body("application/json", body)
    }

    /// The connection ends without an answer.
    pub(crate) fn close() -> Self {
        Self { manner: Manner::Close, ..Self::new(200) }
    }

    /// The way to another place.
    pub(crate) fn redirect(status: u16, to: &str) -> Self {
        Self::new(status).header("Location", to)
    }

    pub(crate) fn body(self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self }.header("Content-Type", content_type)
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The answer begins after this time.
    pub(crate) fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// The body goes packed.
    pub(crate) fn gzip(self) -> Self {
        let body = gzip(&self.body);
        Self { body, ..self }.header("Content-Encoding", "gzip")
    }

    pub(crate) fn chunked(self, size: usize) -> Self {
        Self { manner: Manner::Chunked(size), ..self }
    }

    pub(crate) fn claiming(self, length: usize) -> Self {
        Self { manner: Manner::Claiming(length), ..self }
    }

    pub(crate) fn cut(self, after: usize) -> Self {
        Self { manner: Manner::Cut(after), ..self }
    }

    pub(crate) fn reset(self, after: usize) -> Self {
        Self { manner: Manner::Reset(after), ..self }
    }

    pub(crate) fn drip(self, pause: Duration) -> Self {
        Self { manner: Manner::Drip(pause), ..self }
    }

    fn head(&self) -> Vec<u8> {
        let mut text = format!("HTTP/1.1 {} Test\r\n", self.status);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        match self.manner {
            Manner::Chunked(_) => text.push_str("Transfer-Encoding: chunked\r\n"),
            Manner::Claiming(length) => text.push_str(&format!("Content-Length: {length}\r\n")),
            // These two never have a body.
            _ if self.status == 204 || self.status == 304 => {}
            _ => text.push_str(&format!("Content-Length: {}\r\n", self.body.len())),
        }
        text.push_str("\r\n");
        text.into_bytes()
    }
}

type Handler = dyn Fn(&Seen) -> Reply + Send + Sync;

/// A server that answers until it is dropped.
pub(crate) struct Server {
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

struct Shared {
    address: SocketAddr,
    handler: Box<Handler>,
    stop: AtomicBool,
    seen: Mutex<Vec<Seen>>,
    /// All that ever arrived, also what `take` has taken.
    total: AtomicUsize,
    connections: AtomicUsize,
    open: Mutex<HashMap<usize, TcpStream>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Server {
    /// Starts to answer with what the closure returns, which many connections may call at once.
    pub(crate) fn start(handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let shared = Arc::new(Shared {
            address: listener.local_addr().unwrap(),
            handler: Box::new(handler),
            stop: AtomicBool::new(false),
            seen: Mutex::default(),
            total: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            open: Mutex::default(),
            threads: Mutex::default(),
        });
        let inner = Arc::clone(&shared);
        let acceptor = thread::spawn(move || accept(&inner, &listener));
        Self { shared, acceptor: Some(acceptor) }
    }

    /// Returns `http://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.shared.address)
    }

    /// Returns the requests since the last `take`, in the order of their arrival.
    pub(crate) fn requests(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// Returns the requests since the last call, in the order of their arrival.
    pub(crate) fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.shared.seen.lock().unwrap())
    }

    /// Returns how many requests arrived since the last `take`.
    pub(crate) fn count(&self) -> usize {
        self.shared.seen.lock().unwrap().len()
    }

    /// Returns how many connections were ever made.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Waits until nobody is connected any more, so that all that was on its way has arrived.
    pub(crate) fn wait_until_idle(&self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !self.shared.open.lock().unwrap().is_empty() {
            assert!(Instant::now() < deadline, "a connection stays open");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Returns the most requests that arrived within any stretch of time of this length.
    pub(crate) fn most_within(&self, length: Duration) -> usize {
        let times: Vec<_> = self.requests().iter().map(|seen| seen.at).collect();
        let from = |first: &Instant| times.iter().filter(|at| *at >= first && **at < *first + length).count();
        times.iter().map(from).max().unwrap_or(0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        // The acceptor sleeps until somebody comes.
        drop(TcpStream::connect(self.shared.address));
        let mut ended = vec![self.acceptor.take().unwrap().join()];
        for stream in self.shared.open.lock().unwrap().values() {
            drop(stream.shutdown(Shutdown::Both));
        }
        let threads = std::mem::take(&mut *self.shared.threads.lock().unwrap());
        ended.extend(threads.into_iter().map(JoinHandle::join));
        assert!(thread::panicking() || ended.iter().all(Result::is_ok), "a handler of the server panicked");
    }
}

/// Returns the address of a port where nobody listens.
pub(crate) fn closed_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn accept(shared: &Arc<Shared>, listener: &TcpListener) {
    for (id, stream) in listener.incoming().enumerate() {
        if shared.stop.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        shared.connections.fetch_add(1, Ordering::SeqCst);
        shared.open.lock().unwrap().insert(id, stream.try_clone().unwrap());
        let inner = Arc::clone(shared);
        let thread = thread::spawn(move || {
            // That a client goes away is no fault of the server.
            drop(serve(&inner, stream));
            inner.open.lock().unwrap().remove(&id);
        });
        shared.threads.lock().unwrap().push(thread);
    }
}

fn serve(shared: &Shared, mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 64 << 10];
    while let Some(length) = wait_for_head(shared, &mut stream, &mut buffer)? {
        let Some(mut seen) = Seen::parse(&buffer[..length], length) else { return Ok(()) };
        let body: usize = seen.header("content-length").map_or(0, |text| text.parse().unwrap());
        // The last byte stays in the socket until the answer is on its way: a socket that is closed over
        // unread bytes resets its connection, which std has no other way to do.
        let mut bytes = vec![0; length + body];
        let last = bytes.len() - 1;
        stream.read_exact(&mut bytes[..last])?;
        stream.peek(&mut bytes[last..])?;
        seen.body = bytes[length..].to_vec();
        {
            let mut all = shared.seen.lock().unwrap();
            seen.at = Instant::now();
            seen.number = shared.total.fetch_add(1, Ordering::SeqCst);
            all.push(seen.clone());
        }
        let reply = (shared.handler)(&seen);
        pause(shared, reply.delay);
        if let Manner::Reset(after) = reply.manner {
            let after = after.min(reply.body.len());
            stream.write_all(&[&reply.head(), &reply.body[..after]].concat())?;
            // What is still on its way would be thrown away by the reset.
            pause(shared, Duration::from_millis(20));
            return Ok(());
        }
        stream.read_exact(&mut bytes[last..])?;
        send(shared, &mut stream, &reply)?;
        let goes_on = matches!(reply.manner, Manner::Whole | Manner::Chunked(_) | Manner::Drip(_));
        if !goes_on || seen.header("connection") == Some("close") {
            return stream.shutdown(Shutdown::Both);
        }
    }
    Ok(())
}

/// Returns the length of the next head, `None` when the client is gone or speaks TLS.
fn wait_for_head(shared: &Shared, stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    loop {
        let length = stream.peek(buffer)?;
        if length == 0 || shared.stop.load(Ordering::SeqCst) {
            return Ok(None);
        }
        if buffer[0] == TLS_HANDSHAKE {
            // Read whole, as a connection that is closed over unread bytes is reset.
            stream.read_exact(&mut buffer[..length])?;
            stream.write_all(b"HTTP/1.1 400 this is no TLS\r\n\r\n")?;
            return Ok(None);
        }
        if let Some(at) = buffer[..length].windows(4).position(|four| four == b"\r\n\r\n") {
            return Ok(Some(at + 4));
        }
        thread::sleep(Duration::from_millis(1));
    }
}

fn send(shared: &Shared, stream: &mut TcpStream, reply: &Reply) -> io::Result<()> {
    let (head, body) = (reply.head(), &reply.body);
    match reply.manner {
        Manner::Whole | Manner::Claiming(_) => stream.write_all(&[&head, &body[..]].concat()),
        Manner::Cut(after) => stream.write_all(&[&head, &body[..after.min(body.len())]].concat()),
        Manner::Chunked(size) => {
            stream.write_all(&head)?;
            for chunk in body.chunks(size) {
                let size = format!("{:x}\r\n", chunk.len());
                stream.write_all(&[size.as_bytes(), chunk, b"\r\n"].concat())?;
            }
            stream.write_all(b"0\r\n\r\n")
        }
        Manner::Drip(between) => {
            stream.write_all(&head)?;
            for byte in body {
                stream.write_all(&[*byte])?;
                pause(shared, between);
                if shared.stop.load(Ordering::SeqCst) {
                    break;
                }
            }
            Ok(())
        }
        Manner::Reset(_) | Manner::Close => Ok(()),
    }
}

/// Sleeps, but not longer than the server lives.
fn pause(shared: &Shared, length: Duration) {
    let end = Instant::now() + length;
    while !shared.stop.load(Ordering::SeqCst) {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        thread::sleep(left.min(Duration::from_millis(20)));
    }
}

mod tests {
    use super::*;

    /// Sends bytes as they are, and returns all that comes until the connection ends.
    fn talk(server: &Server, request: &str) -> (Vec<u8>, Option<io::ErrorKind>) {
        let mut stream = TcpStream::connect(server.shared.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let ended = stream.read_to_end(&mut answer).err().map(|err| err.kind());
        (answer, ended)
    }

    fn text(answer: &[u8]) -> String {
        String::from_utf8_lossy(answer).into_owned()
    }

    #[test]
    fn a_connection_carries_many_requests_and_all_are_kept() {
        let server = Server::start(|seen| Reply::json(format!("[{}]", seen.number)));
        let first =
            "POST /a%20b?x=1%2B1&y=a+b HTTP/1.1\r\nHost: h\r\nX-Key: K\r\nContent-Length: 2\r\n\r\nhi";
        let second = "GET /c HTTP/1.1\r\nConnection: close\r\n\r\n";
        let (answer, ended) = talk(&server, &format!("{first}{second}"));
        assert_eq!(ended, None);
        let expected = |body| {
            format!(
                "HTTP/1.1 200 Test\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n[{body}]"
            )
        };
        assert_eq!(text(&answer), expected(0) + &expected(1));
        let requests = server.take();
        assert_eq!(server.count(), 0);
        let [one, two] = &requests[..] else { panic!("{requests:?}") };
        assert_eq!(
            (one.method.as_str(), one.path.as_str(), one.body.as_slice()),
            ("POST", "/a b", &b"hi"[..])
        );
        assert_eq!((one.param("x"), one.param("y"), one.param("z")), ("1+1", "a b", ""));
        assert_eq!((one.header("x-key"), one.header("x-none")), (Some("K"), None));
        assert_eq!((two.path.as_str(), two.target.as_str(), two.body.len()), ("/c", "/c", 0));
    }

    #[test]
    fn bodies_break_as_they_are_told_to() {
        let server = Server::start(|seen| {
            let whole = Reply::json("0123456789");
            match seen.path.as_str() {
                "/cut" => whole.cut(4),
                "/claiming" => whole.claiming(20),
                "/reset" => whole.reset(4),
                "/chunked" => whole.chunked(4),
                "/gzip" => whole.gzip(),
                "/drip" => whole.drip(Duration::from_millis(5)),
                "/redirect" => Reply::redirect(301, "/elsewhere"),
                _ => Reply::close(),
            }
        });
        let ask = |path: &str| talk(&server, &format!("GET /{path} HTTP/1.1\r\nConnection: close\r\n\r\n"));
        let (answer, ended) = ask("cut");
        assert!(text(&answer).ends_with("Content-Length: 10\r\n\r\n0123") && ended.is_none());
        assert!(text(&ask("claiming").0).ends_with("Content-Length: 20\r\n\r\n0123456789"));
        let (answer, ended) = ask("reset");
        assert_eq!(ended, Some(io::ErrorKind::ConnectionReset));
        assert!(text(&answer).ends_with("\r\n\r\n0123"), "{}", text(&answer));
        assert!(text(&ask("chunked").0).ends_with("4\r\n0123\r\n4\r\n4567\r\n2\r\n89\r\n0\r\n\r\n"));
        let (answer, _) = ask("gzip");
        let body = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        let mut unpacked = String::new();
        flate2::read::GzDecoder::new(&answer[body..]).read_to_string(&mut unpacked).unwrap();
        assert_eq!(unpacked, "0123456789");
        let started = Instant::now();
        assert!(text(&ask("drip").0).ends_with("0123456789"));
        assert!(started.elapsed() >= Duration::from_millis(50));
        assert!(text(&ask("redirect").0).starts_with("HTTP/1.1 301 Test\r\nLocation: /elsewhere\r\n"));
        assert_eq!(ask("close").0, b"");
        assert!(talk(&server, "\x16\x03\x01 a greeting of TLS").0.starts_with(b"HTTP/1.1 400 "));
    }

    #[test]
    fn a_server_ends_while_its_answers_are_still_on_their_way() {
        let server = Server::start(|_| Reply::json(vec![b' '; 1_000]).drip(Duration::from_secs(1)));
        let mut stream = TcpStream::connect(server.shared.address).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        stream.read_exact(&mut [0; 1]).unwrap();
        let started = Instant::now();
        drop(server);
        assert!(started.elapsed() < Duration::from_millis(500));
    }

    #[test]
    fn the_rate_of_requests_is_measured() {
        let server = Server::start(|_| Reply::new(204));
        for _ in 0..3 {
            assert!(talk(&server, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n").1.is_none());
        }
        assert_eq!(server.most_within(Duration::from_secs(10)), 3);
        assert_eq!(server.most_within(Duration::from_nanos(1)), 1);
    }
}
