//! A key goes to its provider and is seen nowhere else.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use super::{DAY, Stage, at};
use crate::market::{KEY, KEY_NAME, NOW, Shape};
use crate::server::Reply;

const SINCE: i64 = NOW - NOW % DAY - 20 * DAY;

fn line() -> String {
    format!("AAA -t 1h --since {} --until {}", at(SINCE), at(SINCE + DAY))
}

#[test]
fn the_key_is_seen_nowhere_even_where_the_provider_repeats_it() {
    for shape in Shape::ALL {
        // A provider that quotes the whole request in its errors, and sets it as a cookie.
        let stage = Stage::with(shape, "[cache]\nclosed = \"forever\"\nnegative = \"1d\"", move |seen| {
            let quoted = format!("{} {KEY} {}", seen.target, seen.target.replace('+', "%2B"));
            let is_bad = shape.symbol(seen) == "BAD";
            is_bad.then(|| {
                let body = match shape {
                    Shape::Rows => serde_json::json!({"code": -1121, "msg": quoted}),
                    Shape::Columns => serde_json::json!({"chart": {"error": {"description": quoted}}}),
                    Shape::Objects => serde_json::json!({"error": format!("Unknown {quoted}")}),
                };
                Reply::json(body.to_string()).header("Set-Cookie", &format!("key={KEY}"))
            })
        });
        let mut said = Vec::new();
        for flags in ["", "-v --timing", "--dry-run", "--record answers", "--refresh --record answers"] {
            let done = stage.fetch(&format!("{} BAD {flags}", line())).any().1;
            said.push(done.stdout() + done.stderr());
        }
        let said: Vec<_> = said.iter().map(String::as_str).collect();
        assert!(said[0].contains("'BAD'"), "{}", said[0]);
        stage.assert_no_key(&said);
    }
}

#[test]
fn a_key_that_may_be_a_value_is_in_no_error_about_an_answer() {
    let row = format!("[[{},\"1\",\"2\",\"1\",\"zq7x\",\"5\"]]", SINCE * 1_000);
    let stage = Stage::with(Shape::Rows, "", move |_| Some(Reply::json(row.clone())));
    let mut command = stage.command(&line());
    command.env(KEY_NAME, "zq7x");
    let done = stage.sandbox.run(command, None).fails(7);
    done.says(&["1 of 1 rows do not fit: ", "[secret]"]);
    done.check(!done.stderr().contains("zq7x"), "the key is printed");
    assert!(!stage.report().to_string().contains("zq7x"));
}

#[test]
fn a_file_of_secrets_is_read_only_where_nobody_else_can() {
    let stage = Stage::new(Shape::Objects);
    let file = ".home/.config/barn/secrets.toml";
    stage.sandbox.write(file, format!("{KEY_NAME} = \"{KEY}\"\n"));
    let without_key = || {
        let mut command = stage.command(&line());
        command.env_remove(KEY_NAME);
        command
    };
    fs::set_permissions(stage.sandbox.path(file), Permissions::from_mode(0o644)).unwrap();
    let done = stage.sandbox.run(without_key(), None).fails(4);
    done.says(&["secrets.toml", "chmod 600"]);
    done.check(!done.stderr().contains("s3cr3t"), "the key is printed");
    assert_eq!(stage.server.count(), 0);
    fs::set_permissions(stage.sandbox.path(file), Permissions::from_mode(0o600)).unwrap();
    stage.sandbox.run(without_key(), None).ok();
    assert!(stage.server.requests().iter().all(|seen| Shape::Objects.knows(seen)));
}

#[test]
fn a_definition_reads_only_the_names_it_declares() {
    let stage = Stage::new(Shape::Objects);
    let text = Shape::Objects.definition(&stage.server.url(), "[auth]\nsecrets = [\"OTHER\"]");
    stage.sandbox.write("source.toml", text);
    stage.fetch(&line()).fails(2).says(&["MARKET_KEY"]);
    assert_eq!(stage.server.count(), 0);
}
