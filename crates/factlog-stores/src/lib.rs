//! factlog-stores
