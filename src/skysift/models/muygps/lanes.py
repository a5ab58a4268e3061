"""Operations on eight small matrices at once: the same element of each in one vector register.

The compiler vectorises loops over consecutive numbers, but an elimination of one 50 x 50 matrix has
only short ones. Matrices of eight predictions therefore lie interleaved in an array of shape
(rows, columns, LANES), and every step is done to all eight. A tile of 4 x 4 elements stays in
registers while the products are summed; otherwise memory, not arithmetic, would be the limit.

Plain loops do not let the compiler see that, so these tiles are written in its intermediate
representation, which every processor that it knows can run.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from skysift.core.compiler import import_numba

__all__ = ["LANES", "distance_tile", "elimination_tile", "prefetch"]

LANES = 8

_ir = import_numba("llvmlite.ir")
_cgutils = import_numba("numba.core.cgutils")
_types = import_numba("numba.core.types")
_extending = import_numba("numba.extending")


@dataclass(frozen=True)
class _Lanes:
    """The vectors of an array of shape (rows, columns, LANES), while code is generated."""

    builder: Any
    vector: Any
    base: Any
    strides: tuple[Any, ...]
    bits: int

    @classmethod
    def of(cls, context: Any, builder: Any, array_type: Any, value: Any) -> "_Lanes":
        array = context.make_array(array_type)(context, builder, value)
        return cls(
            builder,
            _ir.VectorType(context.get_data_type(array_type.dtype), LANES),
            builder.ptrtoint(array.data, _ir.IntType(64)),
            tuple(_cgutils.unpack_tuple(builder, array.strides)),
            array_type.dtype.bitwidth,
        )

    def _address(self, row: Any, column: Any) -> Any:
        build = self.builder
        offset = build.add(build.mul(row, self.strides[0]), build.mul(column, self.strides[1]))
        return build.inttoptr(build.add(self.base, offset), self.vector.as_pointer())

    def load(self, row: Any, column: Any) -> Any:
        # Numpy aligns to the number, not to the vector.
        return self.builder.load(self._address(row, column), align=self.bits // 8)

    def store(self, value: Any, row: Any, column: Any) -> None:
        self.builder.store(value, self._address(row, column), align=self.bits // 8)

    def multiply_add(self, one: Any, other: Any, plus: Any) -> Any:
        name = f"llvm.fma.v{LANES}f{self.bits}"
        signature = _ir.FunctionType(self.vector, [self.vector] * 3)
        function = _cgutils.get_or_insert_function(self.builder.module, signature, name)
        return self.builder.call(function, [one, other, plus])


class _Tile:
    """Sums of n_rows x n_columns elements, one vector register each, in a loop over `inner`."""

    def __init__(self, lanes: _Lanes, first: tuple[Any, Any], shape: tuple[int, int]) -> None:
        build = lanes.builder
        self._lanes = lanes
        self.rows = [build.add(first[0], _index(i)) for i in range(shape[0])]
        self.columns = [build.add(first[1], _index(j)) for j in range(shape[1])]
        self._sums = [
            [_cgutils.alloca_once(build, lanes.vector) for _ in self.columns] for _ in self.rows
        ]

    def each(self, value: Callable[[int, int, Any], Any]) -> None:
        """Replace every sum by a function of its place in the tile and itself."""
        build = self._lanes.builder
        for i, row in enumerate(self._sums):
            for j, place in enumerate(row):
                build.store(value(i, j, build.load(place)), place)

    def write(self) -> None:
        """Write the sums to their places in the array."""
        for row, sums in zip(self.rows, self._sums, strict=True):
            for column, place in zip(self.columns, sums, strict=True):
                self._lanes.store(self._lanes.builder.load(place), row, column)


def elimination_tile(n_rows: int, n_columns: int, *, scale: bool = False) -> Any:
    """Return a compiled function that eliminates earlier columns from a tile of a matrix.

    The function is ``f(a, i, j, start, stop)``: from a[i:i+n_rows, j:j+n_columns] it subtracts the
    sum of a[row, p] a[column, p] over start <= p < stop. With `scale` every column is then
    multiplied by its diagonal element a[column, column], which must lie outside the tile.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        a = _Lanes.of(context, builder, signature.args[0], arguments[0])
        i, j, start, stop = _indices(context, builder, signature, arguments, skip=1)
        tile = _Tile(a, (i, j), (n_rows, n_columns))
        tile.each(lambda i, j, _: a.load(tile.rows[i], tile.columns[j]))
        with _cgutils.for_range_slice(builder, start, stop, _index(1)) as (inner, _):
            left = [a.load(row, inner) for row in tile.rows]
            right = [builder.fneg(a.load(column, inner)) for column in tile.columns]
            tile.each(lambda i, j, total: a.multiply_add(left[i], right[j], total))
        if scale:
            scales = [a.load(column, column) for column in tile.columns]
            tile.each(lambda _, j, total: builder.fmul(total, scales[j]))
        tile.write()
        return context.get_dummy_value()

    def eliminate(_context: Any, a: Any, i: Any, j: Any, start: Any, stop: Any) -> Any:
        return _types.void(a, i, j, start, stop), generate

    return _extending.intrinsic(eliminate)


def distance_tile(n_rows: int, n_columns: int) -> Any:
    """Return a compiled function that writes a tile of squared distances.

    The function is ``f(a, x, i, j, n_features)``: it sets a[i:i+n_rows, j:j+n_columns] to the sums
    of (x[row, p] - x[column, p])^2 over p < n_features. The differences live in registers only, so
    that this is as fast as a Gram matrix, and exact for rows that nearly coincide, where the
    difference of Gram elements is not.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        a = _Lanes.of(context, builder, signature.args[0], arguments[0])
        x = _Lanes.of(context, builder, signature.args[1], arguments[1])
        i, j, n_features = _indices(context, builder, signature, arguments, skip=2)
        tile = _Tile(a, (i, j), (n_rows, n_columns))
        tile.each(lambda _i, _j, _: _ir.Constant(a.vector, None))
        with _cgutils.for_range(builder, n_features) as loop:
            left = [x.load(row, loop.index) for row in tile.rows]
            right = [x.load(column, loop.index) for column in tile.columns]

            def add_square(i: int, j: int, total: Any) -> Any:
                difference = builder.fsub(left[i], right[j])
                return a.multiply_add(difference, difference, total)

            tile.each(add_square)
        tile.write()
        return context.get_dummy_value()

    def measure(_context: Any, a: Any, x: Any, i: Any, j: Any, n_features: Any) -> Any:
        return _types.void(a, x, i, j, n_features), generate

    return _extending.intrinsic(measure)


def prefetch() -> Any:
    """Return a compiled function that asks for a number to be fetched into the cache.

    The function is ``f(x, row, column)`` for an array of shape (rows, columns); it changes nothing.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x = context.make_array(signature.args[0])(context, builder, arguments[0])
        row, column = _indices(context, builder, signature, arguments, skip=1)
        strides = _cgutils.unpack_tuple(builder, x.strides)
        offset = builder.add(builder.mul(row, strides[0]), builder.mul(column, strides[1]))
        byte = _ir.IntType(8).as_pointer()
        address = builder.inttoptr(
            builder.add(builder.ptrtoint(x.data, _ir.IntType(64)), offset), byte
        )
        flag = _ir.IntType(32)
        signature_of = _ir.FunctionType(_ir.VoidType(), [byte, flag, flag, flag])
        function = _cgutils.get_or_insert_function(builder.module, signature_of, "llvm.prefetch.p0")
        # To read; to be kept in all levels of the cache; data.
        builder.call(function, [address, flag(0), flag(3), flag(1)])
        return context.get_dummy_value()

    def fetch(_context: Any, x: Any, row: Any, column: Any) -> Any:
        return _types.void(x, row, column), generate

    return _extending.intrinsic(fetch)


def _index(value: int) -> Any:
    return _ir.Constant(_ir.IntType(64), value)


def _indices(context: Any, builder: Any, signature: Any, arguments: Any, *, skip: int) -> list[Any]:
    return [
        context.cast(builder, value, kind, _types.intp)
        for value, kind in zip(arguments[skip:], signature.args[skip:], strict=True)
    ]
