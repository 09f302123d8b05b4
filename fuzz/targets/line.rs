//! Any bytes as a line of a plain-text log.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| factlog_fuzz::line(bytes));
