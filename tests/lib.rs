//! Holds the test binaries `contract` and `e2e`; it has no code of its own.
