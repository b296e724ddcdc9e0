//! The records on disk: one redb table of records, one of numbers about the store itself.

use crate::{Durability, Revision};
use bytes::Bytes;
use redb::backends::FileBackend;
use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, StorageError, TableDefinition, TableError};
use std::{
    fs::OpenOptions,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// Key → (revision of creation, revision of last change, value).
const RECORDS: TableDefinition<'_, &str, (u64, u64, &[u8])> = TableDefinition::new("records");
/// Numbers about the store: [`FORMAT`], [`CEILING`].
const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");

/// Version of the tables' layout.
const FORMAT: &str = "format";
const FORMAT_HERE: u64 = 1;
/// No revision above it has been given to a write.
const CEILING: &str = "ceiling";
/// How far the ceiling is raised at a time: revisions skipped by a start after a crash.
const HEADROOM: u64 = 10_000;

/// redb's page cache. Reads come from memory, it only serves the commits.
const CACHE_BYTES: usize = 16 << 20;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Somebody else works on it.
    #[error("{} is in use by another process", path.display())]
    Locked {
        /// The store's file.
        path: PathBuf,
    },
    /// The file is damaged.
    #[error("{} is damaged ({why}); restore it from a backup, or move it away to start empty", path.display())]
    Corrupt {
        /// The store's file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The file is of another version of this program.
    #[error("{} has format {found}, this program understands {FORMAT_HERE}", path.display())]
    Format {
        /// The store's file.
        path: PathBuf,
        /// Its format.
        found: u64,
    },
    /// A record is not understood.
    #[error("{}: record {key}: {why}", path.display())]
    Record {
        /// The store's file.
        path: PathBuf,
        /// The record's key.
        key: String,
        /// What is wrong.
        why: String,
    },
    /// The file cannot be read or written.
    #[error("{}", path.display())]
    Io {
        /// The store's file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

/// What the disk held: the records, and the revision to continue after.
pub(super) struct Recovered {
    pub(super) records: Vec<(String, Revision, Revision, Bytes)>,
    pub(super) revision: Revision,
}

/// One record's change, decided.
pub(super) struct Stored<'a> {
    pub(super) key: &'a str,
    pub(super) created: Revision,
    pub(super) revision: Revision,
    /// The value; `None` removes the record.
    pub(super) value: Option<&'a [u8]>,
}

/// The open file.
#[derive(Debug)]
pub(super) struct Disk {
    database: Database,
    ceiling: Revision,
    /// Whether commits wait for a durable one after them.
    lazy_pending: bool,
}

impl Disk {
    pub(super) fn open(path: &Path) -> Result<(Self, Recovered), OpenError> {
        let fault = |error: DatabaseError| open_error(path, error);
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
        // Secrets are among the records.
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(path).map_err(|source| OpenError::Io { path: path.into(), source })?;
        let database = builder.create_with_backend(FileBackend::new(file).map_err(fault)?).map_err(fault)?;
        let recovered = read(&database).map_err(|error| open_error(path, DatabaseError::from(error)))?;
        match recovered {
            Ok((records, ceiling)) => {
                let disk = Self { database, ceiling, lazy_pending: false };
                Ok((disk, Recovered { records, revision: ceiling }))
            }
            Err(found) => Err(OpenError::Format { path: path.into(), found }),
        }
    }

    /// Whether some commits are not durable yet.
    pub(super) fn lazy_pending(&self) -> bool {
        self.lazy_pending
    }

    /// Stores what is decided, as one commit.
    pub(super) fn commit(&mut self, changes: &[Stored<'_>], durability: Durability) -> Result<(), redb::Error> {
        let newest = changes.last().map_or(0, |change| change.revision);
        let raise = (newest > self.ceiling).then_some(newest + HEADROOM);
        let synced = durability == Durability::Synced || raise.is_some();
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(if synced { redb::Durability::Immediate } else { redb::Durability::None })?;
        {
            let mut table = transaction.open_table(RECORDS)?;
            for change in changes {
                match change.value {
                    Some(value) => table.insert(change.key, (change.created, change.revision, value))?,
                    None => table.remove(change.key)?,
                };
            }
        }
        if let Some(ceiling) = raise {
            write_numbers(&transaction, ceiling)?;
        }
        transaction.commit()?;
        self.ceiling = raise.unwrap_or(self.ceiling);
        self.lazy_pending = !synced;
        Ok(())
    }

    /// Makes lazy commits durable.
    pub(super) fn flush(&mut self) -> Result<(), redb::Error> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(redb::Durability::Immediate)?;
        transaction.commit()?;
        self.lazy_pending = false;
        Ok(())
    }

    /// Makes everything durable, with the ceiling at the revision reached: the next start continues without a gap.
    pub(super) fn close(mut self, revision: Revision) -> Result<(), redb::Error> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(redb::Durability::Immediate)?;
        write_numbers(&transaction, revision)?;
        transaction.commit()?;
        self.ceiling = revision;
        Ok(())
    }
}

fn write_numbers(transaction: &redb::WriteTransaction, ceiling: Revision) -> Result<(), redb::Error> {
    let mut numbers = transaction.open_table(NUMBERS)?;
    numbers.insert(FORMAT, FORMAT_HERE)?;
    numbers.insert(CEILING, ceiling)?;
    Ok(())
}

type Contents = (Vec<(String, Revision, Revision, Bytes)>, Revision);

/// All records and the ceiling, or the file's format if it is not ours.
fn read(database: &Database) -> Result<Result<Contents, u64>, StorageError> {
    let transaction = database.begin_read().map_err(|error| match error {
        redb::TransactionError::Storage(error) => error,
        other => StorageError::Corrupted(other.to_string()),
    })?;
    let (format, ceiling) = match transaction.open_table(NUMBERS) {
        Ok(numbers) => {
            let number = |name| Ok::<_, StorageError>(numbers.get(name)?.map(|number| number.value()));
            (number(FORMAT)?.unwrap_or_default(), number(CEILING)?.unwrap_or_default())
        }
        Err(TableError::TableDoesNotExist(_)) => (FORMAT_HERE, 0),
        Err(error) => return Err(table_fault(error)),
    };
    if format != FORMAT_HERE {
        return Ok(Err(format));
    }
    let mut records = Vec::new();
    match transaction.open_table(RECORDS) {
        Ok(table) => {
            for row in table.iter()? {
                let (key, row) = row?;
                let (created, revision, value) = row.value();
                records.push((key.value().to_owned(), created, revision, Bytes::copy_from_slice(value)));
            }
        }
        Err(TableError::TableDoesNotExist(_)) => {}
        Err(error) => return Err(table_fault(error)),
    }
    Ok(Ok((records, ceiling)))
}

fn table_fault(error: TableError) -> StorageError {
    match error {
        TableError::Storage(error) => error,
        other => StorageError::Corrupted(other.to_string()),
    }
}

fn open_error(path: &Path, error: DatabaseError) -> OpenError {
    let path = path.to_path_buf();
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => OpenError::Locked { path },
        // redb says so of a file that does not begin like one of its own.
        DatabaseError::Storage(StorageError::Io(source)) if source.kind() == std::io::ErrorKind::InvalidData => {
            OpenError::Corrupt { path, why: source.to_string() }
        }
        DatabaseError::Storage(StorageError::Io(source)) => OpenError::Io { path, source },
        other => OpenError::Corrupt { path, why: other.to_string() },
    }
}
