//! voip-ai: under construction.
