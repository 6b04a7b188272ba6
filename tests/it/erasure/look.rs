//! Looks for words everywhere: in every column of every table, in unpacked mail, and in the files on the disk.

use crate::stores::{Fresh, Raw, raw_connection};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Texts by where they stand.
pub struct Found(BTreeMap<String, Vec<String>>);

impl Found {
    /// Where a word is.
    pub fn places(&self, word: &str) -> BTreeSet<&str> {
        let has = |texts: &Vec<String>| texts.iter().any(|text| text.contains(word));
        self.0.iter().filter(|(_, texts)| has(texts)).map(|(place, _)| place.as_str()).collect()
    }

    /// What has a word in it.
    pub fn texts(&self, word: &str) -> Vec<(&str, &str)> {
        let texts = self.0.iter().flat_map(|(place, texts)| texts.iter().map(|text| (place.as_str(), text.as_str())));
        texts.filter(|(_, text)| text.contains(word)).collect()
    }

    /// How often it is there.
    pub fn hits(&self, word: &str) -> usize {
        self.0.values().flatten().map(|text| text.matches(word).count()).sum()
    }
}

/// Every table with its columns.
pub async fn tables(fresh: &Fresh) -> Vec<(String, Vec<String>)> {
    let mut rows: Vec<(String, String)> = match raw_connection(&fresh.place).await {
        Raw::Sqlite(mut c) => sqlx::query_as(
            "SELECT m.name, c.name FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table' \
             AND m.name NOT LIKE 'sqlite_%' AND m.name NOT LIKE 'message_search_%' AND m.name <> '_sqlx_migrations'",
        )
        .fetch_all(&mut c)
        .await
        .unwrap(),
        Raw::Postgres(mut c) => sqlx::query_as(
            "SELECT table_name::text, column_name::text FROM information_schema.columns \
             WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations'",
        )
        .fetch_all(&mut c)
        .await
        .unwrap(),
    };
    rows.sort();
    let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (table, column) in rows {
        tables.entry(table).or_default().push(column);
    }
    tables.into_iter().collect()
}

/// Every row as lower-case text, and raw mail unpacked.
pub async fn everything(fresh: &Fresh) -> Found {
    let mut found = BTreeMap::new();
    for (table, columns) in tables(fresh).await.into_iter().filter(|(table, _)| table != "raw" && table != "file_piece")
    {
        let texts: Vec<(Option<String>,)> = match raw_connection(&fresh.place).await {
            // Its words are in the index alone; they are looked for on the disk.
            Raw::Sqlite(_) if table == "message_search" => continue,
            Raw::Sqlite(mut c) => {
                let text = |c: &String| {
                    format!(
                        "COALESCE(CASE WHEN typeof(\"{c}\") = 'blob' AND length(\"{c}\") <= 32 THEN lower(hex(\"{c}\")) ELSE CAST(\"{c}\" AS TEXT) END, '')"
                    )
                };
                let list = columns.iter().map(text).collect::<Vec<_>>().join(" || ' ' || ");
                sqlx::query_as(sqlx::AssertSqlSafe(format!("SELECT {list} FROM {table}")))
                    .fetch_all(&mut c)
                    .await
                    .unwrap()
            }
            Raw::Postgres(mut c) => {
                let text = |c: &String| {
                    if table == "idempotency" && c == "answer" {
                        "COALESCE(encode(answer, 'escape'), '')".to_owned()
                    } else {
                        format!("COALESCE(REPLACE(CAST(\"{c}\" AS TEXT), '-', ''), '')")
                    }
                };
                let list = columns.iter().map(text).collect::<Vec<_>>().join(" || ' ' || ");
                sqlx::query_as(sqlx::AssertSqlSafe(format!("SELECT {list} FROM {table}")))
                    .fetch_all(&mut c)
                    .await
                    .unwrap()
            }
        };
        found.insert(table, texts.into_iter().filter_map(|(text,)| text).map(|text| text.to_lowercase()).collect());
    }
    let packed: Vec<(i64, Vec<u8>)> = match raw_connection(&fresh.place).await {
        Raw::Sqlite(mut c) => sqlx::query_as("SELECT size, data FROM raw").fetch_all(&mut c).await.unwrap(),
        Raw::Postgres(mut c) => sqlx::query_as("SELECT size, data FROM raw").fetch_all(&mut c).await.unwrap(),
    };
    let mut mails = Vec::new();
    for (size, data) in packed {
        let raw = zstd::bulk::decompress(&data, usize::try_from(size).unwrap()).unwrap();
        for leaf in liaison::connector::email::parse::leaves(&raw) {
            mails.push(String::from_utf8_lossy(&leaf.content).to_lowercase());
        }
        mails.push(String::from_utf8_lossy(&raw).to_lowercase());
    }
    found.insert("raw".to_owned(), mails);
    let packed: Vec<(i64, Vec<u8>)> = match raw_connection(&fresh.place).await {
        Raw::Sqlite(mut c) => sqlx::query_as("SELECT size, data FROM file_piece").fetch_all(&mut c).await.unwrap(),
        Raw::Postgres(mut c) => sqlx::query_as("SELECT size, data FROM file_piece").fetch_all(&mut c).await.unwrap(),
    };
    let unpacked = |(size, data): (i64, Vec<u8>)| {
        let piece = zstd::bulk::decompress(&data, usize::try_from(size).unwrap()).unwrap();
        String::from_utf8_lossy(&piece).to_lowercase()
    };
    found.insert("file_piece".to_owned(), packed.into_iter().map(unpacked).collect());
    Found(found)
}

/// Every file of a folder and below, as it lies there.
pub fn files(dir: &Path) -> Found {
    let mut found = BTreeMap::new();
    let mut waiting = vec![dir.to_owned()];
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(std::fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
        } else {
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).to_lowercase();
            found.insert(path.display().to_string(), vec![text]);
        }
    }
    Found(found)
}

/// The files of an archive, as another program reads it.
pub fn unpacked(archive: &Path) -> BTreeMap<String, Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    let script = "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; z.extractall(sys.argv[2]); print('\\n'.join(z.namelist()))";
    let told =
        std::process::Command::new("python3").args(["-c", script]).arg(archive).arg(dir.path()).output().unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let names = String::from_utf8(told.stdout).unwrap();
    names.lines().map(|name| (name.to_owned(), std::fs::read(dir.path().join(name)).unwrap())).collect()
}
