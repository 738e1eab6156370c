"""Tests of `trio_sse.client`."""
