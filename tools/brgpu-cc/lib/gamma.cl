// SPDX-License-Identifier: MIT
//
// tgamma of double. Stirling's series from 32 up; below, the recurrence carries the argument there.
#include "elementwise.h"

#define OVERLOAD __attribute__((overloadable, const))

// gamma(x) for x >= 32 as part * part * rest: the square root of x^(x - 1/2) stays in range, and
// x/2 - 1/4 is exact, so that pow() sees the true exponent.
static double stirling(double x, double *part) {
    const double w = 1.0 / x;
    // 1 + 1/12x + 1/288x^2 - 139/51840x^3 - ..., what is left out is below 3e-17.
    double series = fma(w, -4483131259.0 / 86684309913600.0, -534703531.0 / 902961561600.0);
    series = fma(w, series, 5246819.0 / 75246796800.0);
    series = fma(w, series, 163879.0 / 209018880.0);
    series = fma(w, series, -571.0 / 2488320.0);
    series = fma(w, series, -139.0 / 51840.0);
    series = fma(w, series, 1.0 / 288.0);
    series = fma(w, series, 1.0 / 12.0);
    series = fma(w, series, 1.0);
    *part = pow(x, 0.5 * x - 0.25);
    return 2.50662827463100050242 * series * exp(-x);
}

// gamma(x) for 0 < x < 32, or x above -32 and not a pole: gamma(x + n) over x (x + 1) ... (x + n - 1),
// the product in two doubles, and what x + n rounds off put right by the derivative of ln gamma.
static double by_recurrence(double x) {
    double high = 1.0;
    double low = 0.0;
    int n = 0;
    double factor = x;
    double rest = 0.0;
    while (factor < 32.0) {
        const double product = high * factor;
        low = fma(high, factor, -product) + high * rest + low * factor;
        high = product;
        n++;
        factor = x + (double)n;
        const double back = factor - x;
        rest = (x - (factor - back)) + ((double)n - back);
    }
    double part;
    const double first = stirling(factor, &part);
    const double gamma = first * part * part * (1.0 + rest * (log(factor) - 0.5 / factor));
    return gamma / high * (1.0 - low / high);
}

double OVERLOAD tgamma(double x) {
    if (x != x || x == INFINITY)
        return x;
    if (x == 0.0)
        return copysign((double)INFINITY, x);
    if (x < 0.0 && x == floor(x))
        return NAN;
    if (x > 172.0)
        return INFINITY;
    if (x >= 32.0) {
        double part;
        const double first = stirling(x, &part);
        return first * part * part;
    }
    if (fabs(x) < 0x1p-60)
        return 1.0 / x;
    if (x > -20.0)
        return by_recurrence(x);
    if (x < -190.0)
        return copysign(0.0, fmod(floor(x), 2.0) == 0.0 ? 1.0 : -1.0);
    // gamma(x) = -pi / (x sin(pi x) gamma(-x)), the parts divided one by one against underflow.
    double part;
    const double mirrored = -x;
    const double reflection = M_PI / (mirrored * sinpi(x));
    if (mirrored < 32.0)
        return reflection / by_recurrence(mirrored);
    const double first = stirling(mirrored, &part);
    return reflection / first / part / part;
}

ELEMENTWISE_1(tgamma, double)
