// SPDX-License-Identifier: MIT
//
// One Jacobi step of the heat equation in three dimensions, seven points; the border is copied.
// kernel stencil7(uint nx, uint ny, uint nz, float k, global const float *in, global float *out)
// Three-dimensional, any workgroup; the grid may be larger than the volume.

kernel void stencil7(uint nx, uint ny, uint nz, float k, global const float *restrict in,
                     global float *restrict out) {
    const size_t x = get_global_id(0);
    const size_t y = get_global_id(1);
    const size_t z = get_global_id(2);
    if (x >= nx || y >= ny || z >= nz)
        return;
    const size_t row = nx;
    const size_t plane = (size_t)nx * ny;
    const size_t i = z * plane + y * row + x;
    const float centre = in[i];
    const bool inside = x > 0 && x < nx - 1 && y > 0 && y < ny - 1 && z > 0 && z < nz - 1;
    if (!inside) {
        out[i] = centre;
        return;
    }
    out[i] = centre + k * (in[i - 1] + in[i + 1] + in[i - row] + in[i + row] + in[i - plane] +
                           in[i + plane] - 6.0f * centre);
}
