//! Any text as a pattern, and as a condition.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| factlog_fuzz::pattern(bytes));
