//! standins: under construction.
