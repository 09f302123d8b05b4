//! A log's folder whose files have any bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| factlog_fuzz::segment(bytes));
