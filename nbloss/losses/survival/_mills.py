"""The ratio of Mills for the normal distribution: its upper tail over its density, R(x) = (1 - Phi(x)) / phi(x).

Tails, hazards and their derivatives come from it without underflow or cancellation, however far out. All numbers are
doubles. The method is that of M. M. Shepherd, J. G. Laframboise, *Chebyshev Approximation of (1 + 2x) exp(x^2) erfc(x)
in 0 <= x < infinity*, Math. Comp. 36 (1981): a polynomial in (x - 5) / (x + 5), here one of our own for x >= 0.
"""

from nbloss._math import fma

FAR = 1e100  # beyond, the polynomial is 1, and infinity over infinity is nan

# (x + 1) R(x): 2^-58 of it
RATIO = (
    1.1568486282918946, -0.2294875382521129, 0.07778159886873554, 0.025072179301611947, -0.0661776007789934,
    0.061505045841013566, -0.038026592187762366, 0.0163482312692141, -0.004201290310663574, 1.953073289303005e-05,
    0.00045704381820007954, -0.0001343747460125513, -2.48054584472145e-05, 2.271112294988288e-05,
    -1.7723438185601556e-07, -3.280567012895583e-06, 3.2197131609042185e-07, 4.968188503341836e-07,
    -6.738323465177047e-08, -8.232321223515427e-08, 1.0082895646260188e-08, 1.4010248782442869e-08,
    -1.0846925288860795e-09, -2.039456977423449e-09, 6.288377855498677e-11, 1.7327578943235103e-10,
)  # fmt: skip

# (x + 2)^2 (1 - x R(x)): 2^-57 of it
REST = (
    1.7620143447476375, -1.34092737384388, 0.8600912776970421, -0.3202265563529263, -0.029936380269068252,
    0.13803086445440027, -0.09932671018880293, 0.03203028313535267, 0.004231705215100893, -0.00926320284373545,
    0.003505508672573757, 0.00027257645665297304, -0.0006604559348438323, 0.00011004494169529286,
    9.185591538219164e-05, -3.230576404431755e-05, -1.2938935411195991e-05, 6.76266233390113e-06,
    2.1457608789219268e-06, -1.2880449555693672e-06, -4.2805317260372166e-07, 2.240731174142746e-07,
    8.902774719586342e-08, -3.1402018729277485e-08, -1.5052086039024074e-08, 2.528007928460341e-09,
    1.3970222031817147e-09,
)  # fmt: skip


def mills(x: float) -> tuple[float, float]:
    """Return R(x) and 1 - x R(x) for x >= 0, the latter without the cancellation of that difference."""
    near = min(x, FAR)
    t = (near - 5.0) / (near + 5.0)
    by = 1.0 / (x + 2.0)
    return _ratio(t) / (x + 1.0), _rest(t) * by * by


def _ratio(t: float) -> float:
    r = RATIO[25]
    r = fma(r, t, RATIO[24])
    r = fma(r, t, RATIO[23])
    r = fma(r, t, RATIO[22])
    r = fma(r, t, RATIO[21])
    r = fma(r, t, RATIO[20])
    r = fma(r, t, RATIO[19])
    r = fma(r, t, RATIO[18])
    r = fma(r, t, RATIO[17])
    r = fma(r, t, RATIO[16])
    r = fma(r, t, RATIO[15])
    r = fma(r, t, RATIO[14])
    r = fma(r, t, RATIO[13])
    r = fma(r, t, RATIO[12])
    r = fma(r, t, RATIO[11])
    r = fma(r, t, RATIO[10])
    r = fma(r, t, RATIO[9])
    r = fma(r, t, RATIO[8])
    r = fma(r, t, RATIO[7])
    r = fma(r, t, RATIO[6])
    r = fma(r, t, RATIO[5])
    r = fma(r, t, RATIO[4])
    r = fma(r, t, RATIO[3])
    r = fma(r, t, RATIO[2])
    r = fma(r, t, RATIO[1])
    r = fma(r, t, RATIO[0])
    return r


def _rest(t: float) -> float:
    r = REST[26]
    r = fma(r, t, REST[25])
    r = fma(r, t, REST[24])
    r = fma(r, t, REST[23])
    r = fma(r, t, REST[22])
    r = fma(r, t, REST[21])
    r = fma(r, t, REST[20])
    r = fma(r, t, REST[19])
    r = fma(r, t, REST[18])
    r = fma(r, t, REST[17])
    r = fma(r, t, REST[16])
    r = fma(r, t, REST[15])
    r = fma(r, t, REST[14])
    r = fma(r, t, REST[13])
    r = fma(r, t, REST[12])
    r = fma(r, t, REST[11])
    r = fma(r, t, REST[10])
    r = fma(r, t, REST[9])
    r = fma(r, t, REST[8])
    r = fma(r, t, REST[7])
    r = fma(r, t, REST[6])
    r = fma(r, t, REST[5])
    r = fma(r, t, REST[4])
    r = fma(r, t, REST[3])
    r = fma(r, t, REST[2])
    r = fma(r, t, REST[1])
    r = fma(r, t, REST[0])
    return r
