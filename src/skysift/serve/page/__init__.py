"""The live page: what a service sees and does, in a browser, and the few things to change there."""
