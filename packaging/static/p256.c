/* P-256's generator times a scalar. ring multiplies the generator with the help of a table of 152 KB, an eighth of the
 * agent, to save a handshake some 0.1 ms. Here it is multiplied as any other point is, by ring's own function for that,
 * which takes the same time whatever the scalar is. The linker puts these two in the place of ring's (--wrap).
 *
 * ring's prefix for its names (RING) holds its version: after an update that renames or drops one of them, this does not
 * link or the agent exceeds its budget. packaging/test/p256 compares the results with OpenSSL's. */
typedef unsigned long limb;

#define CONCATENATE(a, b) a##b
#define NAME(prefix, name) CONCATENATE(prefix, name)
#define POINT_MUL NAME(RING, p256_point_mul)
#define BASE NAME(NAME(__wrap_, RING), p256_point_mul_base)
#define BASE_VARTIME NAME(NAME(__wrap_, RING), p256_point_mul_base_vartime)

/* Into Jacobian coordinates; the point's are in Montgomery form. */
void POINT_MUL(limb result[3][4], const limb scalar[4], const limb x[4], const limb y[4]);

/* The generator (SEC 2, 2.4.2) in Montgomery form: each coordinate times 2^256, modulo the field's prime. */
static const limb X[4] = {0x79e730d418a9143c, 0x75ba95fc5fedb601, 0x79fb732b77622510, 0x18905f76a53755c6};
static const limb Y[4] = {0xddf25357ce95560a, 0x8b4ab8e4ba19e45c, 0xd2e88688dd21f325, 0x8571ff1825885d85};

void BASE(limb result[3][4], const limb scalar[4]) { POINT_MUL(result, scalar, X, Y); }
void BASE_VARTIME(limb result[3][4], const limb scalar[4]) { POINT_MUL(result, scalar, X, Y); }
