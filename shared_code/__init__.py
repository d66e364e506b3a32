"""Lydian's rooms: one package a service, with the ports between them."""

__version__ = "0.1.0"
