"""The tests of the local tenant: independent JWT packages judge its tokens, real HTTP its endpoints."""
