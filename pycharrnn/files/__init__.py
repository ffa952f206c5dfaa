"""Bytes on disk: strict safetensors files, each replaced whole or not at all."""
