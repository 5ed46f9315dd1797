// SPDX-License-Identifier: MIT
//
// SHA-256 of many messages of equal length, one a work-item; one-dimensional, any workgroup.
//
// kernel sha256(uint count, uint length, global const uchar *messages, global uint *digests)
//   message i stands at messages + i * length; digests: eight words each, in host order (the
//   numbers H0 to H7)

constant uint round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static void compress(uint state[8], uint w[16]) {
    uint a = state[0], b = state[1], c = state[2], d = state[3];
    uint e = state[4], f = state[5], g = state[6], h = state[7];
    for (uint i = 0; i < 64; i++) {
        if (i >= 16) {
            const uint w1 = w[(i + 1) & 15];
            const uint w14 = w[(i + 14) & 15];
            const uint s0 = rotate(w1, 25u) ^ rotate(w1, 14u) ^ (w1 >> 3);
            const uint s1 = rotate(w14, 15u) ^ rotate(w14, 13u) ^ (w14 >> 10);
            w[i & 15] += s0 + w[(i + 9) & 15] + s1;
        }
        const uint s1 = rotate(e, 26u) ^ rotate(e, 21u) ^ rotate(e, 7u);
        const uint t1 = h + s1 + bitselect(g, f, e) + round_constants[i] + w[i & 15];
        const uint s0 = rotate(a, 30u) ^ rotate(a, 19u) ^ rotate(a, 10u);
        const uint t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
        h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d;
    state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

// Byte i of the padded message.
static uint padded_byte(global const uchar *message, uint length, ulong padded, ulong i) {
    if (i < length)
        return message[i];
    if (i == length)
        return 0x80;
    return i < padded - 8 ? 0 : (uint)((ulong)length * 8 >> (padded - 1 - i) * 8) & 0xff;
}

kernel void sha256(uint count, uint length, global const uchar *restrict messages,
                   global uint *restrict digests) {
    const size_t id = get_global_id(0);
    if (id >= count)
        return;
    global const uchar *message = messages + id * length;
    uint state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                     0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    const ulong padded = ((ulong)length + 9 + 63) / 64 * 64;
    for (ulong block = 0; block < padded; block += 64) {
        uint w[16];
        for (uint i = 0; i < 16; i++) {
            const ulong at = block + i * 4;
            w[i] = padded_byte(message, length, padded, at) << 24 |
                   padded_byte(message, length, padded, at + 1) << 16 |
                   padded_byte(message, length, padded, at + 2) << 8 |
                   padded_byte(message, length, padded, at + 3);
        }
        compress(state, w);
    }
    for (uint i = 0; i < 8; i++)
        digests[id * 8 + i] = state[i];
}
