//! Archives made here, whole, cut at every length, and hostile.
#![allow(clippy::disallowed_methods, reason = "tests make the files that are read")]

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::*;
use crate::import::expand;

const ROWS: &str = "date,close\n2024-01-02,1.5\n2024-01-03,2.5\n2024-01-04,3.5\n";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

fn lz4(bytes: &[u8]) -> Vec<u8> {
    let checked = lz4_flex::frame::FrameInfo::new().content_checksum(true);
    let mut writer = lz4_flex::frame::FrameEncoder::with_frame_info(checked, Vec::new());
    for part in bytes.chunks(20) {
        writer.write_all(part).unwrap();
        writer.flush().unwrap();
    }
    writer.finish().unwrap()
}

fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        let options =
            zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
        if name.ends_with('/') {
            writer.add_directory(*name, options).unwrap();
        } else {
            writer.start_file(*name, options).unwrap();
            writer.write_all(bytes).unwrap();
        }
    }
    writer.finish().unwrap().into_inner()
}

fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        builder.append_data(&mut header, name, *bytes).unwrap();
    }
    let mut link = tar::Header::new_ustar();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    builder.append_link(&mut link, "link.csv", "/etc/passwd").unwrap();
    builder.into_inner().unwrap()
}

/// Returns names and texts of all that is in a file of these bytes.
fn read(file: &str, bytes: &[u8]) -> Result<Vec<(String, String)>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join(file);
    std::fs::write(&path, bytes)?;
    let sources = expand(&[path.display().to_string()], &Arc::default())?;
    let progress = Progress::new(sources[0].size());
    let (mut found, mut counted) = (Vec::new(), bytes.len() as u64);
    visit(&sources[0], &progress, &mut |member| {
        let name = member.name.rsplit('/').next().unwrap_or_default().to_owned();
        let mut text = String::new();
        match member.content {
            Content::Stream(mut stream) => stream.read_to_string(&mut text)?,
            Content::File(mut file) => {
                // Whoever reads a Parquet file counts it.
                counted = 0;
                file.read_to_string(&mut text)?
            }
        };
        found.push((name, text));
        Ok(())
    })?;
    assert_eq!(progress.read(), counted);
    Ok(found)
}

/// Returns what a pipe of these bytes holds.
fn read_pipe(bytes: &[u8]) -> Result<Vec<String>> {
    let (progress, given) = (Progress::new(None), Given::default());
    let meter = Meter::new(&progress, None);
    let mut found = Vec::new();
    let mut each = |member: Member<'_>| {
        let mut text = String::new();
        match member.content {
            Content::Stream(mut stream) => stream.read_to_string(&mut text)?,
            Content::File(mut file) => file.read_to_string(&mut text)?,
        };
        found.push(text);
        Ok(())
    };
    let mut visit = Visit { meter: &meter, given: &given, each: &mut each };
    let reader = Box::new(Metered::new(bytes, &meter));
    let (name, file_name) = ("-".into(), "-".into());
    visit.item(Item { name, file_name, reader, depth: 0, is_packed: false })?;
    Ok(found)
}

fn fails(file: &str, bytes: &[u8]) -> String {
    error::report(&read(file, bytes).unwrap_err())
}

fn pair(name: &str) -> (String, String) {
    (name.into(), ROWS.into())
}

#[test]
fn content_decides_and_not_the_name() {
    let rows = ROWS.as_bytes();
    for bytes in [rows.to_vec(), gzip(rows), zstd(rows), lz4(rows)] {
        assert_eq!(read("rows.zip", &bytes).unwrap(), [pair("rows.zip")]);
        assert_eq!(read_pipe(&bytes).unwrap(), [ROWS]);
    }
    for text in ["", "P", "PK", "(", "BZh,a\n1,2\n", "PAR"] {
        assert_eq!(read("a.csv", text.as_bytes()).unwrap(), [("a.csv".into(), text.into())]);
    }
}

#[test]
fn all_parts_of_a_packed_file_are_read() {
    let (one, two) = ROWS.split_at(20);
    for pack in [gzip, zstd, lz4] {
        let bytes = [pack(one.as_bytes()), pack(two.as_bytes())].concat();
        assert_eq!(read("a", &bytes).unwrap(), [pair("a")]);
    }
}

#[test]
fn archives_give_their_visible_files() {
    let rows = ROWS.as_bytes();
    let packed = gzip(rows);
    let members: &[(&str, &[u8])] = &[
        ("in/a.csv", rows),
        ("in/.hidden/b.csv", rows),
        ("__MACOSX/in/a.csv", rows),
        (".DS_Store", rows),
        ("in/c.csv.gz", &packed),
    ];
    let mut zip_members = vec![("in/", &b""[..])];
    zip_members.extend_from_slice(members);
    for bytes in
        [zip(&zip_members), tar(members), gzip(&tar(members)), zstd(&tar(members)), gzip(&zip(members))]
    {
        let found = read("x", &bytes).unwrap();
        assert_eq!(found, [pair("a.csv"), pair("c.csv.gz")]);
        assert_eq!(read_pipe(&bytes).unwrap(), [ROWS, ROWS]);
    }
}

#[test]
fn members_are_named_after_their_archives() {
    let (progress, given) = (Progress::new(None), Given::default());
    let meter = Meter::new(&progress, None);
    let mut names = Vec::new();
    let mut each = |member: Member<'_>| {
        names.push((member.name, member.file_name));
        Ok(())
    };
    let mut visit = Visit { meter: &meter, given: &given, each: &mut each };
    let inner = zip(&[("in/AAPL.csv", b"a")]);
    visit.zip("x.zip", 0, Cursor::new(&inner)).unwrap();
    visit.tar("x.tar", 0, Box::new(&*tar(&[("a/b.zip", &inner)]))).unwrap();
    let name = |name: &str| (name.to_owned(), "AAPL.csv".to_owned());
    assert_eq!(names, [name("x.zip:in/AAPL.csv"), name("x.tar:a/b.zip:in/AAPL.csv")]);
}

/// Returns every way of putting an archive of these members into an archive, between two plain files.
fn nested(members: &[(&str, &[u8])]) -> Vec<Vec<u8>> {
    let inner = [zip(members), tar(members), gzip(&tar(members)), gzip(&zip(members))];
    let outer = |inner: &Vec<u8>| {
        let rows = ROWS.as_bytes();
        let members: &[(&str, &[u8])] = &[("0.csv", rows), ("inner", inner), ("z.csv", rows)];
        [zip(members), tar(members), gzip(&tar(members))]
    };
    inner.iter().flat_map(outer).collect()
}

#[test]
fn archives_in_archives_give_their_visible_files() {
    let rows = ROWS.as_bytes();
    let packed = gzip(rows);
    for bytes in nested(&[("in/a.csv", rows), (".hidden/b.csv", rows), ("c.csv.gz", &packed)]) {
        let found = read("x", &bytes).unwrap();
        let inner = |name: &str| pair(&format!("x:inner:{name}"));
        assert_eq!(found, [pair("x:0.csv"), pair("a.csv"), inner("c.csv.gz"), pair("x:z.csv")]);
        assert_eq!(read_pipe(&bytes).unwrap(), [ROWS; 4]);
    }
}

#[test]
fn a_zip_of_unknown_sizes_in_a_tar_is_read() {
    let mut writer = zip::ZipWriter::new_stream(Vec::new());
    writer.start_file("a.csv", zip::write::SimpleFileOptions::default()).unwrap();
    writer.write_all(ROWS.as_bytes()).unwrap();
    let inner = writer.finish().unwrap().into_inner();
    assert_eq!(read("x", &tar(&[("in.zip", &inner)])).unwrap(), [pair("x:in.zip:a.csv")]);
}

#[test]
fn a_zip_that_is_too_large_to_hold_is_refused() {
    let limit = 1 << 20;
    assert_eq!(hold(Box::new(io::repeat(0).take(limit)), limit).unwrap().len() as u64, limit);
    let error = hold(Box::new(io::repeat(0)), limit).unwrap_err().to_string();
    assert_eq!(error, "it is a zip of over 1 MiB in an archive, which must be unpacked first");
}

#[test]
fn parquet_is_given_as_a_file() {
    assert_eq!(read("a.csv", b"PAR1 rest").unwrap()[0].1, "PAR1 rest");
    assert_eq!(read_pipe(b"PAR1 rest").unwrap(), ["PAR1 rest"]);
    for bytes in
        [gzip(b"PAR1 rest"), zip(&[("a.parquet", b"PAR1 rest")]), tar(&[("a.parquet", b"PAR1 rest")])]
    {
        assert!(fails("x", &bytes).contains("a Parquet file in an archive"));
    }
}

#[test]
fn what_lies_too_deep_is_refused_by_name() {
    let innermost = zip(&[("a.csv", b"a")]);
    let packed = gzip(&tar(&[("a.csv", b"a")]));
    for archive in [innermost, packed] {
        for bytes in nested(&[("in", &archive)]) {
            let error = fails("x", &bytes);
            assert!(error.contains("x:inner:in': it is an archive in an archive in an archive"), "{error}");
        }
    }
    assert!(fails("x", &gzip(&gzip(b"a"))).contains("packed twice"));
    for bytes in nested(&[("in", &gzip(&gzip(b"a")))]) {
        assert!(fails("x", &bytes).contains("x:inner:in': it is packed twice"));
    }
}

#[test]
fn what_is_wrong_in_an_inner_archive_is_refused_by_name() {
    let rows = ROWS.as_bytes();
    let outer = |inner: &[u8]| [zip(&[("in", inner)]), tar(&[("in", inner)]), gzip(&tar(&[("in", inner)]))];
    let workbook = zip(&[("[Content_Types].xml", b"<x/>"), ("xl/a.xml", b"<x/>")]);
    for bytes in outer(&workbook) {
        assert!(fails("x", &bytes).contains("x:in': it is an Excel workbook"));
    }
    for bytes in nested(&[("a.parquet", b"PAR1 rest")]) {
        assert!(fails("x", &bytes).contains("x:inner:a.parquet': it is a Parquet file in an archive"));
    }
    let mut encrypted = zip(&[("a.csv", rows)]);
    let directory = encrypted.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
    encrypted[6] |= 1;
    encrypted[directory + 8] |= 1;
    for bytes in outer(&encrypted) {
        let error = fails("x", &bytes);
        assert!(error.contains("x:in:a.csv': it is encrypted"), "{error}");
    }
    let mut twins = zip(&[("a.csv", rows), ("b.csv", rows)]);
    while let Some(at) = twins.windows(5).position(|bytes| bytes == b"b.csv") {
        twins[at] = b'a';
    }
    for bytes in outer(&twins) {
        let error = fails("x", &bytes);
        assert!(error.contains("x:in': two of its files have one name"), "{error}");
    }
    for whole in [zip(&[("a.csv", rows)]), gzip(&tar(&[("a.csv", rows)])), gzip(&zip(&[("a.csv", rows)]))] {
        for length in 3..whole.len() {
            for bytes in outer(&whole[..length]) {
                let error = fails("x", &bytes);
                assert!(error.contains("cut off"), "{length}: {error}");
            }
        }
    }
}

#[test]
fn foreign_files_are_refused_by_name() {
    assert!(fails("a.csv", b"\xfd7zXZ\0....").contains("a.csv': it is an xz file"));
    assert!(fails("a.csv", b"BZh91AY&SY....").contains("a bzip2 file"));
    assert!(fails("a.csv", b"SQLite format 3\0").contains("an SQLite database"));
    let workbook = zip(&[("[Content_Types].xml", b"<x/>"), ("xl/a.xml", b"<x/>")]);
    assert!(fails("a.csv", &workbook).contains("an Excel workbook"));
}

#[test]
fn a_cut_file_is_an_error_at_every_length() {
    let rows = ROWS.as_bytes();
    let tar = tar(&[("a.csv", rows), ("b.csv", rows)]);
    let zip = zip(&[("a.csv", rows)]);
    for (bytes, first) in
        [(gzip(rows), 1), (zstd(rows), 2), (lz4(rows), 1), (zip, 3), (gzip(&tar), 1), (zstd(&tar), 2)]
    {
        for length in first..bytes.len() {
            let error = fails("x.csv", &bytes[..length]);
            assert!(
                error.contains("cut off") && (error.contains("x.csv") || length > 4),
                "{length}: {error}"
            );
            assert!(read_pipe(&bytes[..length]).is_err(), "{length}");
        }
    }
    for length in (262..tar.len() - 1024).step_by(37).chain([512 * 2, 512 * 4]) {
        let error = fails("x.tar", &tar[..length]);
        assert!(error.contains("cut off"), "{length}: {error}");
    }
}

#[test]
fn a_damaged_file_is_an_error_or_harmless() {
    let rows = ROWS.as_bytes();
    for whole in [gzip(rows), zip(&[("a.csv", rows)]), lz4(rows)] {
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            if let Ok(found) = read("x", &bytes) {
                assert!(
                    found.is_empty() || found[0].1 == ROWS || !found[0].1.starts_with("date"),
                    "{at}: {found:?}"
                );
            }
        }
    }
}

#[test]
fn what_unpacks_beyond_measure_is_refused() {
    let zeros = vec![0; 130 << 20];
    for bytes in [
        gzip(&zeros),
        zstd(&zeros),
        zip(&[("a", &zeros)]),
        gzip(&tar(&[("a", &zeros)])),
        zstd(&zip(&[("a", &zeros)])),
        zip(&[("in", &zip(&[("a", &zeros)]))]),
        gzip(&tar(&[("in.zip", &zip(&[("a", &zeros)]))])),
        zip(&[("in", &gzip(&tar(&[("a", &zeros)])))]),
    ] {
        assert!(bytes.len() * 1000 < zeros.len(), "{}", bytes.len());
        assert!(fails("bomb", &bytes).contains("it unpacks to more than 1000 times its size"));
    }
}

#[test]
fn a_stopped_stream_is_an_interruption_whatever_it_looked_like() {
    let stop = Arc::new(AtomicBool::new(true));
    let sources = expand(&["-".into()], &stop).unwrap();
    let result = visit(&sources[0], &Progress::new(None), &mut |_| bail!("it is empty"));
    let error = result.unwrap_err();
    assert_eq!(exit_code(&error), error::Kind::Interrupted.code());
    assert_eq!(error::report(&error), "error: interrupted\n  caused by: it is empty\n");
}
