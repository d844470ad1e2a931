import numpy as np
import pytest

from mlr_jax.generative import noise_schedule


def test_linear_is_the_schedule_of_the_paper_and_any_number_of_steps_ends_as_far_gone():
    betas = 1e-4 + (0.02 - 1e-4) * np.arange(1000) / 999
    power = [1.0]
    for beta in betas:
        power.append(power[-1] * (1 - beta))
    alpha, sigma = noise_schedule.linear(1000)
    np.testing.assert_allclose(alpha, np.sqrt(power), rtol=1e-6)
    np.testing.assert_allclose(sigma, np.sqrt(1 - np.array(power)), rtol=1e-5)
    assert noise_schedule.linear(200).num_steps == 200
    np.testing.assert_allclose(2 * np.log(noise_schedule.linear(200).alpha[-1]), np.log(power[-1]), rtol=0.05)


def test_cosine_is_a_quarter_of_a_circle_until_the_greatest_step():
    alpha, sigma = noise_schedule.cosine(1000)
    angle = np.pi / 2 * (np.arange(1001) / 1000 + 0.008) / 1.008
    np.testing.assert_allclose(alpha[:999], np.cos(angle[:999]) / np.cos(angle[0]), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(alpha[1000] ** 2, 1e-3 * alpha[999] ** 2, rtol=1e-4)
    np.testing.assert_allclose(alpha**2 + sigma**2, 1.0, atol=1e-6)
    assert alpha[0] == 1
    assert (np.diff(alpha) < 0).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: noise_schedule.linear(0), "num_steps: got 0, must be at least 1"),
        (lambda: noise_schedule.cosine(-1), "num_steps: got -1"),
        (lambda: noise_schedule.linear(10, 0.1, 0.01), "first=0.1, last=0.01"),
        (lambda: noise_schedule.cosine(10, 0.0), "offset=0.0"),
    ],
)
def test_what_is_no_schedule_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
