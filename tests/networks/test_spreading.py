import numpy as np

from nirgan.networks.spreading import MIN_VARIANCE, spread


def dense_weights(luminance):
    """A row for every pixel, one by one."""
    height, width = luminance.shape
    mirrored = np.pad(luminance, 1, mode="symmetric")
    weights = np.zeros((luminance.size, luminance.size))
    for row in range(height):
        for column in range(width):
            around = mirrored[row : row + 3, column : column + 3]
            variance = max(around.var(), MIN_VARIANCE)
            here = row * width + column
            for r in range(max(0, row - 1), min(height, row + 2)):
                for c in range(max(0, column - 1), min(width, column + 2)):
                    if (r, c) != (row, column):
                        off = luminance[row, column] - luminance[r, c]
                        weights[here, r * width + c] = np.exp(-(off**2) / (0.6 * variance))
            weights[here] /= weights[here].sum()
    return weights


def test_the_sparse_solution_is_that_of_a_dense_solve():
    random = np.random.default_rng(0)
    clear = random.random((7, 9)) < 0.2
    luminance, colors = random.uniform(-1, 1, (7, 9)), random.normal(size=(7, 9, 2))
    system = np.eye(luminance.size) - dense_weights(luminance)
    known = clear.ravel()
    system[known] = np.eye(luminance.size)[known]
    given = np.where(known[:, None], colors.reshape(-1, 2), 0)
    expected = np.linalg.solve(system, given).reshape(colors.shape)
    found = spread(luminance, colors, clear)
    assert np.allclose(found, expected, atol=1e-9)
    assert np.array_equal(found[clear], colors[clear])


def test_color_stays_within_an_edge():
    luminance = np.full((12, 20), -0.5)
    luminance[:, 10:] = 0.5
    colors, clear = np.zeros((12, 20, 2)), np.zeros((12, 20), bool)
    colors[6, 2], clear[6, 2] = (1, 0), True
    colors[6, 17], clear[6, 17] = (0, 1), True
    found = spread(luminance, colors, clear)
    assert np.allclose(found[:, :10], (1, 0), atol=0.02)
    assert np.allclose(found[:, 10:], (0, 1), atol=0.02)
