package config_test

import (
	"context"
	"fmt"

	"github.com/alkdev/alknet/core/auth"
	"github.com/alkdev/alknet/core/config"
)

func ExampleStore() {
	ctx := context.Background()
	key, err := auth.ParsePeerKey("47pjoycnsrfmxikm95jh13y88e8qnhzu5kungjpxyepgt7a8krpy")
	if err != nil {
		fmt.Println(err)
		return
	}
	store, err := config.NewStore(auth.Key{}, config.Dynamic{
		Peers: []auth.Peer{{Name: "ada", Keys: []auth.Key{key}, Scopes: []string{"ssh:shell"}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	id, err := store.ByKey(ctx, key)
	fmt.Println(id, err, id.Allow(auth.Do("ssh", "shell")))

	err = store.Update(func(d *config.Dynamic) error {
		d.Peers[0].Disabled = true
		return nil
	})
	fmt.Println(err)
	_, err = store.Refresh(ctx, id)
	fmt.Println(err)

	err = store.Swap(config.Dynamic{Peers: []auth.Peer{{Name: "ada", Keys: []auth.Key{key}, Scopes: []string{"ssh:sh*"}}}})
	fmt.Println(err)
	// Output:
	// peer ada <nil> true
	// <nil>
	// peer is disabled
	// swap configuration: peer "ada": scope "ssh:sh*": the verb must be lower-case letters, digits and '-', or *
}
