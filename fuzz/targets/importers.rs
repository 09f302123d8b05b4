//! Any bytes as a file of a format that is imported.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| factlog_fuzz::importers(bytes));
