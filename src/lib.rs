//! voip
