//! A small Elasticsearch: answers the bulk API on one address and keeps the documents.

use anyhow::{Context, Result};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// The endpoint; it listens until the test's process ends.
pub(crate) struct Bulk {
    documents: Arc<Mutex<Vec<Value>>>,
}

impl Bulk {
    /// Listens on port 9200 of `address`.
    pub(crate) fn listen(address: Ipv4Addr) -> Result<Self> {
        let listener = TcpListener::bind((address, 9200)).context("listening for bulk requests")?;
        let documents = Arc::new(Mutex::new(Vec::new()));
        let kept = documents.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = kept.clone();
                std::thread::spawn(move || serve(stream, &kept));
            }
        });
        Ok(Self { documents })
    }

    /// The documents whose message holds `text`.
    pub(crate) fn with_message(&self, text: &str) -> Vec<Value> {
        let documents = self.documents.lock().expect("no writer panics");
        documents
            .iter()
            .filter(|document| document["message"].as_str().is_some_and(|message| message.contains(text)))
            .cloned()
            .collect()
    }
}

fn serve(stream: TcpStream, documents: &Mutex<Vec<Value>>) {
    let Ok(mut answers) = stream.try_clone() else { return };
    let mut requests = BufReader::new(stream);
    while let Some((line, body)) = read_request(&mut requests) {
        let mut items = 0;
        if line.starts_with("POST") {
            let mut kept = documents.lock().expect("no writer panics");
            // Lines come in pairs: what to do, and the document. Empty ones mean nothing.
            let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
            for document in lines.skip(1).step_by(2).filter_map(|line| serde_json::from_slice(line).ok()) {
                kept.push(document);
                items += 1;
            }
        }
        let items = vec![r#"{"index":{"status":201}}"#; items].join(",");
        let answer = format!(r#"{{"took":1,"errors":false,"items":[{items}]}}"#);
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", answer.len());
        if answers.write_all((head + &answer).as_bytes()).is_err() {
            return;
        }
    }
}

fn read_request(requests: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut first = String::new();
    if requests.read_line(&mut first).ok()? == 0 {
        return None;
    }
    let mut length = 0;
    loop {
        let mut header = String::new();
        requests.read_line(&mut header).ok()?;
        if header.trim().is_empty() {
            break;
        }
        if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    requests.read_exact(&mut body).ok()?;
    Some((first, body))
}
