// A client in Rust, as node-client.mjs; HOW is `main` or `thread`, one for each server, that ends at once.
use std::process::{Command, Stdio};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let at = words.iter().position(|word| word == "--").unwrap();
    for server in words[at + 1..].to_vec() {
        let (threaded, argv) = (words[0] == "thread", words[1..at].to_vec());
        let launch = move || {
            let child = Command::new(&argv[0]).args(&argv[1..]).arg(&server).stdin(Stdio::piped()).spawn();
            std::mem::forget(child.unwrap());
        };
        if threaded {
            std::thread::spawn(launch).join().unwrap();
        } else {
            launch();
        }
    }
    std::io::stdin().read_line(&mut String::new()).unwrap();
    let mut kept = Vec::new();
    loop {
        kept.push(vec![1u8; 16 << 20]);
    }
}
