//! Cutting must not depend on how the bytes come, nor on the size of the blocks.

use super::*;
use proptest::prelude::*;

static GO: AtomicBool = AtomicBool::new(false);

/// Gives at most `step` bytes at a time.
struct Trickle<'a>(&'a [u8], usize);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.1.min(buffer.len());
        Read::read(&mut self.0, &mut buffer[..count])
    }
}

fn options(cut: Cut) -> BlockOptions {
    BlockOptions { encoding: None, skip: 0, footer: 0, cut }
}

fn csv() -> BlockOptions {
    options(Cut::Csv { delimiter: b',' })
}

fn blocks(bytes: &[u8], options: BlockOptions, block_bytes: usize) -> Result<Vec<Block>> {
    let mut reader = BlockReader::new(Box::new(Trickle(bytes, block_bytes)), options, &GO)?;
    reader.block_bytes = block_bytes;
    let mut blocks = Vec::new();
    while let Some(block) = reader.next_block()? {
        assert_eq!(block.index, blocks.len() as u64);
        blocks.push(block);
    }
    assert!(reader.next_block()?.is_none());
    Ok(blocks)
}

/// Returns the text of all blocks, of which each must start on the line it says.
fn text(bytes: &[u8], options: BlockOptions, block_bytes: usize) -> String {
    let first = 1 + options.skip as u64;
    let mut text = String::new();
    for block in blocks(bytes, options, block_bytes).unwrap() {
        assert_eq!(block.first_line, first + text.matches('\n').count() as u64);
        text.push_str(std::str::from_utf8(&block.bytes).unwrap());
    }
    text
}

fn fails(bytes: &[u8], options: BlockOptions) -> String {
    blocks(bytes, options, BLOCK_BYTES).err().unwrap().to_string()
}

/// Returns the records that the csv crate sees.
fn records(text: &[u8]) -> Vec<csv::ByteRecord> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(text)
        .into_byte_records()
        .map(Result::unwrap)
        .collect()
}

proptest! {
    #[test]
    fn csv_records_are_the_same_at_every_block_size(text in "[ab\",\"\n\n\r\"é]{0,40}") {
        // Files with carriage returns only are turned to line feeds, inside quotes too.
        let whole = if text.contains('\n') { text.clone() } else { text.replace('\r', "\n") };
        let expected = records(whole.as_bytes());
        for block_bytes in 1..=text.len() + 1 {
            let mut found = Vec::new();
            let mut joined = Vec::new();
            let blocks = match blocks(text.as_bytes(), csv(), block_bytes) {
                Ok(blocks) => blocks,
                Err(error) => {
                    // Behind an open quote one more line is no record of its own.
                    prop_assert!(error.to_string().contains("never closed"), "{}", error);
                    let longer = format!("{whole}\nx");
                    prop_assert_eq!(records(longer.as_bytes()).len(), expected.len());
                    return Ok(());
                }
            };
            for block in blocks {
                found.extend(records(&block.bytes));
                joined.extend_from_slice(&block.bytes);
            }
            prop_assert_eq!(&joined, whole.as_bytes());
            prop_assert_eq!(&found, &expected, "blocks of {}", block_bytes);
        }
    }

    #[test]
    fn skip_and_footer_drop_whole_lines(lines in prop::collection::vec("[ab]{0,3}", 0..12), skip in 0_usize..4,
        footer in 0_usize..4, ends_with_line in any::<bool>()) {
        let mut whole = lines.join("\n");
        if ends_with_line {
            whole.push('\n');
        }
        let kept: Vec<&str> = whole.split_inclusive('\n').collect();
        let kept = kept[skip.min(kept.len())..].to_vec();
        let kept = kept[..kept.len().saturating_sub(footer)].concat();
        for block_bytes in [1, 2, 3, 7, 1000] {
            let options = BlockOptions { skip, footer, ..options(Cut::Lines) };
            prop_assert_eq!(text(whole.as_bytes(), options, block_bytes), kept.as_str());
        }
    }
}

#[test]
fn records_longer_than_a_block_are_whole() {
    let whole = "a,\"x\n\n\nlong\"\nb,c\n";
    for block_bytes in 1..20 {
        let blocks = blocks(whole.as_bytes(), csv(), block_bytes).unwrap();
        assert_eq!(records(&blocks[0].bytes)[0].len(), 2);
        assert_eq!(text(whole.as_bytes(), csv(), block_bytes), whole);
    }
}

#[test]
fn old_mac_line_ends_become_line_feeds() {
    assert_eq!(text(b"a,b\r1,2\r3,4", csv(), 4), "a,b\n1,2\n3,4");
    assert_eq!(text(b"a,b\r\n1\r,2\r\n", csv(), 4), "a,b\r\n1\r,2\r\n");
    let long = "x,y\r".repeat(START_BYTES);
    assert_eq!(text(long.as_bytes(), csv(), 10_000), long.replace('\r', "\n"));
}

#[test]
fn other_encodings_are_cut_too() {
    let latin = BlockOptions { encoding: Some("latin-1".into()), ..csv() };
    assert_eq!(text(b"M\xfcller\nK\xf6ln\n", latin, 3), "Müller\nKöln\n");
    let wide: Vec<u8> = "\u{feff}a\nö\nc".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(text(&wide, csv(), 3), "a\nö\nc");
}

#[test]
fn what_is_not_text_is_named_with_its_line() {
    assert_eq!(fails(b"a\nb\nK\xf6ln\n", csv()), "line 3 is not valid UTF-8");
    let error = blocks(b"K\xf6ln\n", csv(), 9).err().unwrap();
    assert!(crate::error::report(&error).contains("hint: `encoding = \"latin-1\"`"));
    assert_eq!(fails(b"a\nb\0c\n", csv()), "line 2 has a NUL byte, so it is not text");
    let skipping = BlockOptions { skip: 2, ..csv() };
    assert_eq!(fails(b"a\nb\nK\xf6ln\n", skipping), "line 3 is not valid UTF-8");
}

#[test]
fn an_endless_record_is_refused_before_it_is_held() {
    /// Gives letters and counts them.
    struct Endless<'a>(&'a std::cell::Cell<usize>);
    impl Read for Endless<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            buffer.fill(b'x');
            self.0.set(self.0.get() + buffer.len());
            Ok(buffer.len())
        }
    }
    let array = Cut::Elements { root: None };
    for (start, cut, message) in [
        ("a\nb\n", Cut::Lines, "the record at line 3 is longer than 16 MiB"),
        ("a\nb\n\"", Cut::Csv { delimiter: b',' }, "the record at line 3 is longer than 16 MiB"),
        ("[\n1,\n\"", array, "the record at line 3 is longer than 16 MiB"),
    ] {
        let given = std::cell::Cell::new(0);
        let reader = Box::new(start.as_bytes().chain(Endless(&given)));
        let mut reader = BlockReader::new(reader, options(cut), &GO).unwrap();
        let error = loop {
            match reader.next_block() {
                Ok(block) => assert!(block.is_some()),
                Err(error) => break error,
            }
        };
        assert_eq!(error.to_string(), message);
        assert!(given.get() < MAX_RECORD_BYTES + 2 * BLOCK_BYTES, "{}", given.get());
    }
}

#[test]
fn a_skipped_line_may_have_any_length() {
    let whole = format!("{}\nb\n", "x".repeat(MAX_RECORD_BYTES + 2 * READ_BYTES));
    let skipping = BlockOptions { skip: 1, ..csv() };
    assert_eq!(text(whole.as_bytes(), skipping, BLOCK_BYTES), "b\n");
}

#[test]
fn a_slow_pipe_gives_what_it_has() {
    /// Waits before every byte.
    struct Slow(bool);
    impl Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            std::thread::sleep(Duration::from_millis(150));
            self.0 = !self.0;
            buffer[0] = if self.0 { b'a' } else { b'\n' };
            Ok(1)
        }
    }
    let mut reader = BlockReader::new(Box::new(Slow(false)), csv(), &GO).unwrap();
    let begun = Instant::now();
    let block = reader.next_block().unwrap().unwrap();
    assert!(block.bytes.starts_with(b"a\na\n"), "{:?}", block.bytes);
    assert!(begun.elapsed() < Duration::from_secs(3));
    let begun = Instant::now();
    assert!(read_start(&mut Slow(false)).unwrap().starts_with(b"a\na\n"));
    assert!(begun.elapsed() < Duration::from_secs(3));
}

#[test]
fn stopping_ends_the_reading() {
    let stop = AtomicBool::new(false);
    let whole = "a\n".repeat(100);
    let mut reader = BlockReader::new(Box::new(Trickle(whole.as_bytes(), 9)), csv(), &stop).unwrap();
    reader.block_bytes = 10;
    assert!(reader.next_block().unwrap().is_some());
    stop.store(true, Ordering::Relaxed);
    assert!(reader.next_block().unwrap().is_none());
}

#[test]
fn elements_are_cut_into_blocks_with_their_lines() {
    let whole = "\n{\"data\": [\n  {\"a\": 1},\n\n  {\"a\":\n 2}, 3\n,\n [4]]}\n";
    for block_bytes in 1..60 {
        let elements = options(Cut::Elements { root: Some("data".into()) });
        let mut found = Vec::new();
        for block in blocks(whole.as_bytes(), elements, block_bytes).unwrap() {
            let mut start = 0;
            for end in block.ends.unwrap() {
                let line = block.first_line + count_lines(&block.bytes[..start]);
                let record = std::str::from_utf8(&block.bytes[start..end]).unwrap().trim_end();
                found.push((line, record.to_owned()));
                start = end;
            }
            assert_eq!(start, block.bytes.len());
        }
        let expected = [(3, "{\"a\": 1}"), (5, "{\"a\":\n 2}"), (6, "3"), (8, "[4]")];
        assert_eq!(found, expected.map(|(line, record)| (line, record.to_owned())));
    }
}
