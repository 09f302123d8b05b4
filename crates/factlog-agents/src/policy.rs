//! Policies: what is done because something happened.

pub mod command;
pub mod webhook;

pub use command::{Command, CommandError, Ran};
pub use webhook::{Delivered, DeliveryError, Webhook};
