//! A key goes through all that barn can do with it, and is found nowhere but with its provider: in nothing that is
//! printed, and in no file.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use crate::harness::Sandbox;
use crate::market::{KEY, KEY_NAME, NOW, Shape, assert_no_file_has_key, has_key};
use crate::server::{Reply, Server, closed_port};

#[track_caller]
fn assert_none(bytes: &[u8], what: &str) {
    assert!(!has_key(bytes), "the key is in {what}:\n{}", String::from_utf8_lossy(bytes));
}

/// A folder with a source; what is run in it has the key, tells all it can of a failure, and must not tell the key.
struct Stage {
    folder: Sandbox,
    shape: Shape,
}

impl Stage {
    fn new(shape: Shape, url: &str, extra: &str) -> Self {
        let folder = Sandbox::new();
        folder.write("source.toml", shape.definition(url, extra));
        Self { folder, shape }
    }

    /// Runs a line with this key, and looks at all that came of it.
    fn run_with(&self, key: Option<&str>, line: &str) {
        let mut command = self.folder.barn_command(line.split_whitespace());
        command
            .env("RUST_BACKTRACE", "full")
            .env("RUST_LOG", "trace")
            .env("BARN_NOW", "2024-06-01T12:30:00Z");
        if let Some(key) = key {
            command.env(KEY_NAME, key);
        }
        let (code, done) = self.folder.run(command, None).any();
        eprintln!("{:?}: {line}: {code:?}", self.shape);
        assert_none(done.bytes(), line);
        assert_none(done.stderr().as_bytes(), line);
        assert_no_file_has_key(&self.folder.path("."), Some("secrets.toml"));
    }

    fn run(&self, line: &str) {
        self.run_with(Some(KEY), line);
    }
}

const FETCH: &str = "fetch ./source.toml AAA -t 1h --since 2024-05-01 --until 2024-05-04";

#[test]
fn a_key_is_in_nothing_that_a_command_leaves() {
    for shape in Shape::ALL {
        let server = Server::start(move |seen| shape.answer(seen, NOW));
        let stage = Stage::new(shape, &server.url(), "[cache]\nclosed = \"forever\"\nnegative = \"1d\"");
        for line in [
            "source check ./source.toml",
            "source show ./source.toml",
            "source test ./source.toml",
            &format!("{FETCH} --dry-run -v"),
            &format!("--report run.json --timing -v --label mine {FETCH}"),
            &format!("{FETCH} --refresh --record answers"),
            &format!("{FETCH} --replay answers"),
            &format!("{FETCH} --offline"),
            "fetch --retry-failed run.json",
            "query SELECT",
            "info bars",
            "compress --all",
            "optimize --full",
            "runs list",
            "runs show last",
            "runs export",
            "runs check",
        ] {
            stage.run(line);
        }
        assert!(server.count() > 0);
        assert!(server.requests().iter().all(|seen| shape.knows(seen)));
    }
}

#[test]
fn a_key_is_in_no_error() {
    for shape in Shape::ALL {
        // Nobody is there; the name is none; the answer is cut, empty, no JSON, an error that quotes the request.
        Stage::new(shape, &closed_port(), "").run(FETCH);
        Stage::new(shape, "http://name.invalid", "").run(FETCH);
        Stage::new(shape, "https://127.0.0.1:1", "").run(&format!("-v {FETCH}"));
        for kind in 0..7 {
            let server = Server::start(move |seen| match kind {
                0 => Reply::close(),
                1 => shape.answer(seen, NOW).cut(30),
                2 => Reply::new(200).body("text/html", format!("<p>{}</p>", seen.target)),
                3 => Reply::new(500).body("text/plain", format!("{} {KEY}", seen.target)),
                4 => Reply::new(429).header("Retry-After", "1").body("text/plain", seen.target.clone()),
                5 => Reply::json(format!("{{\"error\": \"{}\"", seen.target)),
                _ => Reply::new(403).body("application/json", format!("[{KEY:?}]")),
            });
            let stage = Stage::new(shape, &server.url(), "[retry]\nmax = 1");
            stage.run(&format!("--report run.json -v --timing {FETCH}"));
            stage.run(&format!("{FETCH} --record answers"));
            stage.run("fetch --retry-failed run.json");
            stage.run("runs show last");
            stage.run("source test ./source.toml --live AAA");
        }
    }
}

#[test]
fn a_key_does_not_follow_a_redirect_or_a_page_elsewhere() {
    for shape in Shape::ALL {
        let other = Server::start(move |seen| shape.answer(seen, NOW));
        let to = other.url();
        let server = Server::start(move |seen| Reply::redirect(302, &format!("{to}{}", seen.target)));
        Stage::new(shape, &server.url(), "").run(&format!("-v {FETCH}"));
        for seen in other.requests() {
            let all = format!("{} {:?}", seen.target, seen.headers);
            assert_none(all.as_bytes(), "what went elsewhere");
        }
    }
}

#[test]
fn a_key_that_cannot_be_used_is_not_shown() {
    let server = Server::start(|seen| Shape::Objects.answer(seen, NOW));
    let file = ".home/.config/barn/secrets.toml";
    for key in
        [format!("{KEY}\r\nX-Other: 1"), format!("\u{0}{KEY}"), format!("{KEY}\u{7f}é"), KEY.repeat(400)]
    {
        let stage = Stage::new(Shape::Objects, &server.url(), "");
        if !key.contains('\0') {
            stage.run_with(Some(&key), FETCH);
        }
        // A file that is no TOML, or has it under another name, as a table, a number, twice.
        for text in [
            format!("{KEY_NAME} = {key}\n"),
            format!("{KEY_NAME} = \"{KEY}\n"),
            format!("[{KEY_NAME}]\nx = {KEY:?}\n"),
            format!("{KEY_NAME} = [{KEY:?}]\n"),
            format!("{KEY_NAME} = {KEY:?}\n{KEY_NAME} = {KEY:?}\n"),
            format!("OTHER = {KEY:?}\n"),
        ] {
            stage.folder.write(file, text);
            fs::set_permissions(stage.folder.path(file), Permissions::from_mode(0o600)).unwrap();
            stage.run_with(None, &format!("-v {FETCH}"));
            stage.run_with(None, "source check ./source.toml");
        }
    }
}
