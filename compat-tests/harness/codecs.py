"""Unpacks what clients compress: gzip with Python's own module, the others with the C libraries that Barnabas is
built with, so that no package of Python has to be installed.

Not written after any client's code: snappy blocks come bare or in the frame that Java clients put around them.
"""

import ctypes
import functools
import struct
import zlib

NAMES = ("none", "gzip", "snappy", "lz4", "zstd")
SNAPPY_FRAME = b"\x82SNAPPY\0"
PIECE_BYTES = 1 << 20


def unpack(codec, data):
    """The bytes that `codec`, one of NAMES, has packed into `data`. AssertionError where it cannot be unpacked."""
    return {"none": bytes, "gzip": gunzip, "snappy": unsnappy, "lz4": unlz4, "zstd": unzstd}[codec](data)


def need(condition, what):
    if not condition:
        raise AssertionError(what)


def gunzip(data):
    unpacker = zlib.decompressobj(wbits=31)
    out = unpacker.decompress(data) + unpacker.flush()
    need(unpacker.eof and not unpacker.unused_data, "gzip: not one whole member")
    return out


@functools.cache
def library(name):
    return ctypes.CDLL(name)


def snappy_block(data):
    snappy, size = library("libsnappy.so.1"), ctypes.c_size_t()
    need(snappy.snappy_uncompressed_length(data, ctypes.c_size_t(len(data)), ctypes.byref(size)) == 0,
         "snappy: no length in front")
    out = ctypes.create_string_buffer(max(size.value, 1))
    need(snappy.snappy_uncompress(data, ctypes.c_size_t(len(data)), out, ctypes.byref(size)) == 0,
         "snappy: not unpacked")
    return out.raw[:size.value]


def unsnappy(data):
    if not data.startswith(SNAPPY_FRAME):
        return snappy_block(data)
    out, position = b"", len(SNAPPY_FRAME) + 8  # Behind the name stand two version numbers.
    while position < len(data):
        size = struct.unpack_from(">i", data, position)[0]
        need(0 <= size <= len(data) - position - 4, "snappy: a block is cut")
        out += snappy_block(data[position + 4:position + 4 + size])
        position += 4 + size
    return out


def unlz4(data):
    lz4, context = library("liblz4.so.1"), ctypes.c_void_p()
    lz4.LZ4F_decompress.restype = ctypes.c_size_t
    lz4.LZ4F_isError.argtypes = [ctypes.c_size_t]
    need(lz4.LZ4F_createDecompressionContext(ctypes.byref(context), 100) == 0, "lz4: no context")
    out, piece, position, hint = [], ctypes.create_string_buffer(PIECE_BYTES), 0, 1
    try:
        while hint and position < len(data):
            rest = data[position:]
            made, taken = ctypes.c_size_t(PIECE_BYTES), ctypes.c_size_t(len(rest))
            hint = lz4.LZ4F_decompress(context, piece, ctypes.byref(made), rest, ctypes.byref(taken), None)
            need(not lz4.LZ4F_isError(hint), "lz4: not unpacked")
            out.append(piece.raw[:made.value])
            position += taken.value
            need(made.value or taken.value, "lz4: no progress")
    finally:
        lz4.LZ4F_freeDecompressionContext(context)
    need(hint == 0 and position == len(data), "lz4: not one whole frame")
    return b"".join(out)


class ZstdBuffer(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("size", ctypes.c_size_t), ("position", ctypes.c_size_t)]


def unzstd(data):
    zstd = library("libzstd.so.1")
    zstd.ZSTD_createDStream.restype = ctypes.c_void_p
    zstd.ZSTD_freeDStream.argtypes = [ctypes.c_void_p]
    zstd.ZSTD_decompressStream.argtypes = [ctypes.c_void_p, ctypes.POINTER(ZstdBuffer), ctypes.POINTER(ZstdBuffer)]
    zstd.ZSTD_decompressStream.restype = ctypes.c_size_t
    zstd.ZSTD_isError.argtypes = [ctypes.c_size_t]
    stream, piece = zstd.ZSTD_createDStream(), ctypes.create_string_buffer(PIECE_BYTES)
    source = ZstdBuffer(ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p), len(data), 0)
    out, hint = [], 1
    try:
        while hint:
            target = ZstdBuffer(ctypes.cast(piece, ctypes.c_void_p), PIECE_BYTES, 0)
            before = source.position
            hint = zstd.ZSTD_decompressStream(stream, ctypes.byref(target), ctypes.byref(source))
            need(not zstd.ZSTD_isError(hint), "zstd: not unpacked")
            out.append(piece.raw[:target.position])
            need(not hint or target.position or source.position > before, "zstd: the frame is cut")
    finally:
        zstd.ZSTD_freeDStream(stream)
    need(source.position == len(data), "zstd: bytes behind the frame")
    return b"".join(out)
