//! voip-media: under construction.
