//! factlog-adapters
