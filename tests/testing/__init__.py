"""Tests of the local tenant, with independent JWT packages for its tokens and real HTTP for its endpoints."""
