package vault

import (
	"strconv"

	"github.com/alkdev/alknet/vault/internal/hd"
)

// Derivation paths. Coin type 74' is alknet's; account 1' stays unused, because
// an ancestor of this project derived site passwords there.
const (
	PathIdentity = "m/74'/0'/0'/0'"   // the node key, Ed25519
	PathSSHHost  = "m/74'/0'/1'/0'"   // the SSH host key, Ed25519
	PathCipher   = "m/74'/2'/0'/0'"   // the AES key of EncryptedData version 2; version v is at index v-2
	PathSecrets  = "m/74'/3'/0'/0'"   // the root of Secret32 and WebKey
	PathEthereum = "m/44'/60'/0'/0/0" // the first Ethereum account, secp256k1
)

// DevicePath returns the path of device n under the identity account; device 0
// is PathIdentity. n must be below 2^31.
func DevicePath(n uint32) string { return "m/74'/0'/0'/" + strconv.FormatUint(uint64(n), 10) + "'" }

func cipherPath(version uint32) (hd.Path, error) {
	if version < firstKeyVersion || version-firstKeyVersion >= hd.Hardened {
		return nil, ErrKeyVersion
	}
	return hd.Path{74 | hd.Hardened, 2 | hd.Hardened, hd.Hardened, (version - firstKeyVersion) | hd.Hardened}, nil
}

func reserved(p hd.Path) bool { return p.Within(hd.Path{74 | hd.Hardened}) }
