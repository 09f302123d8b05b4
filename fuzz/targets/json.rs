//! Any text as JSON, an event, a filter, a batch.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| factlog_fuzz::json(bytes));
