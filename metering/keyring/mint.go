package keyring

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"hash/crc32"
	"math/big"
)

const (
	livePrefix  = "weir_live_"
	testPrefix  = "weir_test_"
	tokenPrefix = "weir_oat_"

	secretBytes    = 32
	secretChars    = 43 // 32 bytes in base 62, of fixed width
	checksumChars  = 6  // CRC-32 in base 62, of fixed width
	shownOfSecret  = 4  // characters kept in plain at either end
	base62Alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// Mint makes a proxy key: a prefix that says whose money it is about, 32 random
// bytes, and a checksum by which a mistyped key is told apart without a lookup.
func Mint(test bool) (secret string, hash [32]byte, prefix, last4 string, err error) {
	if test {
		return mint(testPrefix)
	}
	return mint(livePrefix)
}

// MintToken makes an access token of the admin API.
func MintToken() (secret string, hash [32]byte, prefix, last4 string, err error) {
	return mint(tokenPrefix)
}

func mint(kind string) (secret string, hash [32]byte, prefix, last4 string, err error) {
	var random [secretBytes]byte
	if _, err := rand.Read(random[:]); err != nil {
		return "", hash, "", "", fmt.Errorf("random bytes for a key: %w", err)
	}
	body := kind + base62(new(big.Int).SetBytes(random[:]), secretChars)
	secret = body + checksum(body)
	return secret, sha256.Sum256([]byte(secret)), secret[:len(kind)+shownOfSecret], secret[len(secret)-shownOfSecret:], nil
}

// WellFormed reports whether a text can be a proxy key: its prefix, length,
// alphabet and checksum are right. It allocates nothing.
func WellFormed(secret []byte) bool {
	const length = len(livePrefix) + secretChars + checksumChars
	if len(secret) != length || string(secret[:len(livePrefix)]) != livePrefix && string(secret[:len(testPrefix)]) != testPrefix {
		return false
	}
	body, sum := secret[:length-checksumChars], secret[length-checksumChars:]
	n := crc32.ChecksumIEEE(body)
	for i := checksumChars - 1; i >= 0; i-- {
		if sum[i] != base62Alphabet[n%62] {
			return false
		}
		n /= 62
	}
	for _, c := range body[len(livePrefix):] {
		if !(c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z') {
			return false
		}
	}
	return true
}

func checksum(body string) string {
	return base62(new(big.Int).SetUint64(uint64(crc32.ChecksumIEEE([]byte(body)))), checksumChars)
}

func base62(n *big.Int, width int) string {
	out := make([]byte, width)
	base, digit := big.NewInt(62), new(big.Int)
	for i := width - 1; i >= 0; i-- {
		n.DivMod(n, base, digit)
		out[i] = base62Alphabet[digit.Int64()]
	}
	return string(out)
}
