//! What the Rust clients of the matrix have in common: the lines of compat-tests/matrix/README.md.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::error::Error;
use std::io::Write as _;

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The largest record of the matrix has 10,000,000 bytes; every limit of a client is raised to this.
pub const LARGEST_REQUEST: usize = 12 * 1024 * 1024;

#[derive(Debug, Default)]
pub struct Record {
    pub partition: i32,
    pub offset: Option<i64>,
    pub timestamp: Option<i64>,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Record {
    pub fn from_json(json: &Value) -> Result<Record> {
        let mut headers = Vec::new();
        for header in json["headers"].as_array().into_iter().flatten() {
            headers
                .push((header[0].as_str().ok_or("a header without a name")?.to_owned(), bytes(&header[1])?));
        }
        Ok(Record {
            partition: json["partition"].as_i64().ok_or("a record without a partition")?.try_into()?,
            offset: json["offset"].as_i64(),
            timestamp: json["timestamp"].as_i64(),
            key: bytes(&json["key"])?,
            value: bytes(&json["value"])?,
            headers,
        })
    }

    pub fn to_json(&self) -> Value {
        let header = |(name, value): &(String, Option<Vec<u8>>)| json!([name, text(value.as_deref())]);
        json!({
            "partition": self.partition,
            "offset": self.offset,
            "timestamp": self.timestamp,
            "key": text(self.key.as_deref()),
            "value": text(self.value.as_deref()),
            "headers": self.headers.iter().map(header).collect::<Vec<_>>(),
        })
    }
}

/// The records of the input file of `produce`.
pub fn read_records(path: &str) -> Result<Vec<Record>> {
    let file = std::fs::read_to_string(path)?;
    file.lines().map(|line| Record::from_json(&serde_json::from_str(line)?)).collect()
}

/// Prints one line of the answer; whoever reads sees it at once.
pub fn print(line: &Value) {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{line}").and_then(|()| output.flush()).expect("standard output is gone");
}

/// The version of a package in the Cargo.lock that this program was built from.
pub fn locked_version(package: &str) -> &'static str {
    let lock = include_str!("../../Cargo.lock");
    let entry = format!("name = \"{package}\"\nversion = \"");
    let (_, rest) = lock.split_once(&entry).expect("the package is in Cargo.lock");
    rest.split_once('"').expect("a version ends with a quote").0
}

fn bytes(json: &Value) -> Result<Option<Vec<u8>>> {
    json.as_str().map(|text| STANDARD.decode(text)).transpose().map_err(Into::into)
}

fn text(bytes: Option<&[u8]>) -> Value {
    bytes.map_or(Value::Null, |bytes| Value::String(STANDARD.encode(bytes)))
}
