//! Folders of datasets: what is written is read back, and no path leaves the archive.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use barn::archive::{CheckedFile, Dataset, check};
use barn::model::{BUILTIN, SeriesKey, Table, TableText, Value};
use barn::store::{ArchiveFile, Digest};

use super::mutate::{self, pick, word};
use super::{Rng, run};

/// Ways out of a folder, and what file systems read otherwise than it is written.
#[rustfmt::skip]
const WAYS: &[&str] = &[
    "..", ".", "...", "/", "//", "\\", "~", "\0", "%2F", "%2e%2e", "..%2f", "a/../../b", "../",
    "/etc/passwd", "C:\\", "CON", "__EMPTY__", "__HIVE_DEFAULT_PARTITION__", "source=", "=", "%", "%2",
    "%ff", "a=b/c=d", "\u{2024}\u{2024}", "outside.parquet", "../outside.parquet",
    "bars/../../outside.parquet", "bars/./x.parquet", "link/x.parquet",
];

fn name(rng: &mut Rng) -> String {
    (0..rng.usize(1..4)).map(|_| if rng.bool() { pick(rng, WAYS).to_owned() } else { word(rng) }).collect()
}

fn bars() -> Table {
    let texts: BTreeMap<String, TableText> = toml::from_str(BUILTIN).unwrap();
    Table::parse("bars", &texts["bars"]).unwrap()
}

#[test]
fn a_dataset_is_read_back_from_its_folders() {
    let table = bars();
    let make = |rng: &mut Rng| (name(rng), name(rng), name(rng));
    run("folder", make, |(source, symbol, timeframe)| {
        let key = SeriesKey([source, symbol, timeframe].map(|text| Value::Text(text.as_str().into())).into());
        let dataset = Dataset::of(&table, &key);
        let folder = dataset.folder(&table);
        assert_eq!(Dataset::parse(&table, &folder).unwrap(), dataset, "{folder}");
        let parts: Vec<_> = Path::new(&folder).components().collect();
        assert!(parts.iter().all(|part| matches!(part, Component::Normal(_))), "{folder}");
        assert_eq!(parts.len(), 2, "{folder}");
        assert!(folder.bytes().all(|b| b.is_ascii_graphic() && !b"\\:*?\"<>|".contains(&b)), "{folder}");
    });
}

#[test]
fn foreign_folders_are_refused_or_read_alike() {
    let table = bars();
    let make = |rng: &mut Rng| {
        let folder = format!("source={}/timeframe={}", name(rng), name(rng));
        if rng.bool() { mutate::text(rng, &folder, "a=b/c", WAYS) } else { folder }
    };
    run("foreign", make, |folder| {
        let Ok(dataset) = Dataset::parse(&table, folder) else { return };
        assert_eq!(Dataset::parse(&table, &dataset.folder(&table)).unwrap(), dataset);
    });
}

#[test]
fn no_path_of_a_manifest_leaves_the_archive() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("barn");
    std::fs::create_dir_all(root.join("archive/bars")).unwrap();
    for outside in ["outside.parquet", "barn/outside.parquet", "barn/archive/bars/inside.parquet"] {
        std::fs::write(folder.path().join(outside), b"PAR1 and more").unwrap();
    }
    let absolute = folder.path().join("outside.parquet").display().to_string();
    let make = |rng: &mut Rng| {
        let mut path = if rng.u8(..8) == 0 { absolute.clone() } else { name(rng) };
        if rng.bool() {
            path = format!("bars/{path}");
        }
        if rng.bool() && Path::new(&path).extension().is_none() {
            path.push_str(".parquet");
        }
        path
    };
    run("manifest-path", make, |path| {
        let entry = ArchiveFile {
            id: 1,
            path: path.clone(),
            table: "bars".to_owned(),
            dataset: "source=x/timeframe=1d".to_owned(),
            version: 1,
            rows: 1,
            ts_min: 0,
            ts_max: 0,
            series_min: Vec::new(),
            series_max: Vec::new(),
            bytes: 13,
        };
        let digest = Digest { blake3: vec![0; 32], blocks: vec![0; 8] };
        assert!(check(&root, &entry, &digest).is_err(), "nothing has this hash");
        if CheckedFile::open(&root, &entry, digest).is_ok() {
            let real = std::fs::canonicalize(root.join("archive").join(path)).unwrap();
            assert!(real.starts_with(std::fs::canonicalize(root.join("archive")).unwrap()), "{path}");
        }
    });
}
