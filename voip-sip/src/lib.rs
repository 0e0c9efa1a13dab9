//! voip-sip: under construction.
