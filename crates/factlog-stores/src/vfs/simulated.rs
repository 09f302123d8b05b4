//! A disk in memory with every fault there is.
