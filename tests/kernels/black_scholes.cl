// SPDX-License-Identifier: MIT
//
// Prices of European options, fp32.
// kernel black_scholes(uint n, float rate, float volatility, global const float *spot,
//                      global const float *strike, global const float *years,
//                      global float *call, global float *put)
// One-dimensional; the grid may be larger than n.

static float normal_cdf(float x) {
    return 0.5f * erfc(-x * M_SQRT1_2_F);
}

kernel void black_scholes(uint n, float rate, float volatility, global const float *restrict spot,
                          global const float *restrict strike, global const float *restrict years,
                          global float *restrict call, global float *restrict put) {
    const size_t i = get_global_id(0);
    if (i >= n)
        return;
    const float spread = volatility * sqrt(years[i]);
    const float d1 = (log(spot[i] / strike[i]) + (rate + 0.5f * volatility * volatility) * years[i]) /
                     spread;
    const float d2 = d1 - spread;
    const float discounted = strike[i] * exp(-rate * years[i]);
    call[i] = spot[i] * normal_cdf(d1) - discounted * normal_cdf(d2);
    put[i] = discounted * normal_cdf(-d2) - spot[i] * normal_cdf(-d1);
}
