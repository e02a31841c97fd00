//! Reads the bytes of archived files for DataFusion, each checked against the manifest.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use datafusion::common::{DataFusionError, internal_err};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::ParquetFileReaderFactory;
use datafusion::parquet::arrow::arrow_reader::ArrowReaderOptions;
use datafusion::parquet::arrow::async_reader::AsyncFileReader;
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::archive::{BLOCK_BYTES, CheckedFile};
use crate::engine::failure::{carry_parquet, uncarry};
use crate::engine::rows::Rows;
use crate::store::ArchiveFile;

/// Bytes at the end of a file that are read first: the footer of a file of a few million rows.
const TAIL_BYTES: u64 = 256 << 10;

/// The length of the footer, and the word at the end of the file.
const FOOTER_BYTES: usize = 8;

/// Bytes that are read at once where ranges lie close together.
const READ_BYTES: u64 = 16 << 20;

/// The files of the archive that are open. A file is opened when its first byte is wanted, once for all that
/// read it at the same time.
pub(super) struct Files {
    rows: Arc<dyn Rows>,
    open: Mutex<HashMap<i64, Weak<Open>>>,
}

/// A file, once it is open, and its footer, once it is read.
#[derive(Default)]
struct Open(Mutex<Option<(CheckedFile, Option<Arc<ParquetMetaData>>)>>);

impl Files {
    /// The files of a store.
    pub(super) fn new(rows: Arc<dyn Rows>) -> Self {
        Self { rows, open: Mutex::default() }
    }

    /// Returns a reader of a file, which is not opened yet.
    pub(super) fn reader(self: &Arc<Self>, entry: &Arc<ArchiveFile>) -> Reader {
        let mut known = lock(&self.open);
        let open = known.get(&entry.id).and_then(Weak::upgrade).unwrap_or_else(|| {
            let open = Arc::<Open>::default();
            known.insert(entry.id, Arc::downgrade(&open));
            open
        });
        Reader { files: Arc::clone(self), entry: Arc::clone(entry), open }
    }
}

impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Files").finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The factory of readers of one scan; its files carry their entries of the manifest.
#[derive(Debug)]
pub(super) struct Factory(pub(super) Arc<Files>);

impl ParquetFileReaderFactory for Factory {
    fn create_reader(
        &self,
        _partition: usize,
        file: PartitionedFile,
        _metadata_size_hint: Option<usize>,
        _metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>, DataFusionError> {
        let Some(entry) = file.extension::<Arc<ArchiveFile>>() else {
            return internal_err!("'{}' is no file of the manifest", file.path());
        };
        Ok(Box::new(self.0.reader(entry)))
    }
}

/// Reads one file.
pub(super) struct Reader {
    files: Arc<Files>,
    entry: Arc<ArchiveFile>,
    open: Arc<Open>,
}

impl Reader {
    /// Returns the file, open.
    fn file(&self) -> Result<CheckedFile> {
        let mut open = lock(&self.open.0);
        if let Some((file, _)) = &*open {
            return Ok(file.clone());
        }
        let file = self.files.rows.open(&self.entry)?;
        Ok(open.insert((file, None)).0.clone())
    }

    /// Returns the footer.
    pub(super) fn metadata(&self) -> Result<Arc<ParquetMetaData>> {
        let file = self.file()?;
        let mut open = lock(&self.open.0);
        if let Some((_, Some(metadata))) = &*open {
            return Ok(Arc::clone(metadata));
        }
        let metadata = read_footer(&file)
            .and_then(|metadata| self.check_rows(metadata))
            .with_context(|| format!("cannot read archive file '{}'", self.entry.path))?;
        let metadata = Arc::new(metadata);
        *open = Some((file, Some(Arc::clone(&metadata))));
        Ok(metadata)
    }

    /// Returns the footer with what it says of pages.
    pub(super) fn page_index(&mut self) -> Result<ParquetMetaData> {
        let metadata = self.metadata()?;
        let mut index = ParquetMetaDataReader::new_with_metadata(metadata.as_ref().clone())
            .with_page_index_policy(PageIndexPolicy::Optional);
        // Nothing here waits, see `get_bytes`.
        let read = index.load_page_index(&mut *self).now_or_never();
        read.context("cannot read the page index at once")?.map_err(uncarry)?;
        Ok(index.finish()?)
    }

    fn check_rows(&self, metadata: ParquetMetaData) -> Result<ParquetMetaData> {
        let rows = metadata.file_metadata().num_rows();
        if u64::try_from(rows).ok() != Some(self.entry.rows) {
            bail!("it has {rows} rows, the manifest says {}", self.entry.rows);
        }
        Ok(metadata)
    }

    /// Reads ranges; those that lie close together are read at once.
    fn read(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let file = self.file()?;
        let mut order: Vec<usize> = (0..ranges.len()).collect();
        order.sort_unstable_by_key(|&at| ranges[at].start);
        let mut found = vec![Bytes::new(); ranges.len()];
        for group in order.chunk_by(together(ranges)) {
            // Neighbours may be far apart from the first of a chain; it is cut where it grows too long.
            for part in cut(ranges, group) {
                let start = ranges[part[0]].start;
                let end = part.iter().map(|&at| ranges[at].end).max().unwrap_or(start);
                let bytes = file.read(start..end)?;
                for &at in part {
                    let from = usize::try_from(ranges[at].start - start)?;
                    let until = usize::try_from(ranges[at].end - start)?;
                    found[at] = bytes.slice(from..until);
                }
            }
        }
        Ok(found)
    }
}

/// Returns whether two ranges, in their order, share a block or have neighbouring ones.
fn together(ranges: &[Range<u64>]) -> impl Fn(&usize, &usize) -> bool {
    |&left, &right| ranges[right].start <= ranges[left].end.saturating_add(BLOCK_BYTES)
}

/// Cuts neighbouring ranges into parts that are read at once.
fn cut<'a>(ranges: &[Range<u64>], group: &'a [usize]) -> Vec<&'a [usize]> {
    let mut parts = Vec::new();
    let mut first = 0;
    for (place, &at) in group.iter().enumerate() {
        if place > first && ranges[at].end.saturating_sub(ranges[group[first]].start) > READ_BYTES {
            parts.push(&group[first..place]);
            first = place;
        }
    }
    parts.push(&group[first..]);
    parts
}

fn read_footer(file: &CheckedFile) -> Result<ParquetMetaData> {
    let tail = file.read(file.bytes().saturating_sub(TAIL_BYTES)..file.bytes())?;
    let Some((_, [a, b, c, d, b'P', b'A', b'R', b'1'])) = tail.split_last_chunk::<FOOTER_BYTES>() else {
        bail!("it does not end as a Parquet file does");
    };
    let length = u64::from(u32::from_le_bytes([*a, *b, *c, *d]));
    let Some(start) = file.bytes().checked_sub(length + FOOTER_BYTES as u64) else {
        bail!("its footer of {length} bytes is longer than the file");
    };
    let end = start + length;
    let from = file.bytes() - tail.len() as u64;
    let footer = match start.checked_sub(from) {
        Some(skip) => tail.slice(usize::try_from(skip)?..usize::try_from(end - from)?),
        None => file.read(start..end)?,
    };
    Ok(ParquetMetaDataReader::decode_metadata(&footer)?)
}

impl AsyncFileReader for Reader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        // Archives lie on local disks, mostly in memory: waiting costs less than handing over would.
        let read = self.file().and_then(|file| file.read(range)).map_err(carry_parquet);
        async { read }.boxed()
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, Result<Vec<Bytes>, ParquetError>> {
        let read = self.read(&ranges).map_err(carry_parquet);
        async { read }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        let metadata = self.metadata().map_err(carry_parquet);
        async { metadata }.boxed()
    }
}
