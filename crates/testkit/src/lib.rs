//! Test doubles and temporary repositories shared by the tests of every crate.
