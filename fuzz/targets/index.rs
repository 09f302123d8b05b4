//! Index files with any bytes beside a good log.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| factlog_fuzz::index(bytes));
