package redis

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/weirhq/weir/metering"
)

// connect builds a client. The library's defaults are not ours: it would send a
// command again up to three times, dial five times, wait five seconds for a
// reply and let a context end without noticing.
func connect(address string, o Options) (goredis.UniversalClient, error) {
	u, err := url.Parse(address)
	if err != nil {
		// url.Parse quotes the whole URL, password and all.
		return nil, fmt.Errorf("the URL cannot be read: %w", metering.ErrInvalid)
	}
	query := u.Query()
	if query.Get("cluster") == "true" || query.Has("addr") {
		query.Del("cluster")
		u.RawQuery = query.Encode()
		return connectCluster(u, o)
	}
	opts, err := goredis.ParseURL(address)
	if err != nil {
		return nil, fmt.Errorf("URL: %w: %w", plain(err, u), metering.ErrInvalid)
	}
	opts.MaxRetries = -1
	opts.DialerRetries = 1
	opts.ContextTimeoutEnabled = true
	opts.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	opts.DialTimeout = given(opts.DialTimeout, o.Dial)
	opts.ReadTimeout = given(opts.ReadTimeout, o.Timeout)
	opts.WriteTimeout = given(opts.WriteTimeout, o.Timeout)
	opts.PoolTimeout = given(opts.PoolTimeout, o.Timeout)
	return goredis.NewClient(opts), nil
}

// connectCluster leaves redirects on: a node that redirects has not run the
// script. The library also uses them up to send a command again after a broken
// connection; that is harmless here, see the package comment.
func connectCluster(u *url.URL, o Options) (goredis.UniversalClient, error) {
	opts, err := goredis.ParseClusterURL(u.String())
	if err != nil {
		return nil, fmt.Errorf("cluster URL: %w: %w", plain(err, u), metering.ErrInvalid)
	}
	opts.ReadOnly, opts.RouteByLatency, opts.RouteRandomly = false, false, false // scripts write
	opts.MaxRetries = -1
	opts.DialerRetries = 1
	opts.ContextTimeoutEnabled = true
	opts.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	opts.DialTimeout = given(opts.DialTimeout, o.Dial)
	opts.ReadTimeout = given(opts.ReadTimeout, o.Timeout)
	opts.WriteTimeout = given(opts.WriteTimeout, o.Timeout)
	opts.PoolTimeout = given(opts.PoolTimeout, o.Timeout)
	return goredis.NewClusterClient(opts), nil
}

func given(d, otherwise time.Duration) time.Duration {
	if d != 0 {
		return d
	}
	return otherwise
}

// plain is err without the password of u.
func plain(err error, u *url.URL) error {
	text := err.Error()
	if password, ok := u.User.Password(); ok && password != "" {
		text = strings.ReplaceAll(text, password, "xxxxx")
		text = strings.ReplaceAll(text, url.QueryEscape(password), "xxxxx")
	}
	return errors.New(text)
}

// Ping asks the server whether it is there. The first time that it is, its
// settings are looked at too.
func (c *Counter) Ping(ctx context.Context) error {
	if err := c.client.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("ping redis: %w", err)
	}
	if c.looked.CompareAndSwap(false, true) {
		if err := c.look(ctx); err != nil {
			c.looked.Store(false)
			return fmt.Errorf("look at the settings of redis: %w", err)
		}
	}
	return nil
}

// look warns of settings that endanger counters. INFO tells them also where a
// provider forbids CONFIG.
func (c *Counter) look(ctx context.Context) error {
	text, err := c.client.Info(ctx).Result()
	if err != nil {
		return err
	}
	if policy := infoField(text, "maxmemory_policy"); policy != "" && policy != "noeviction" {
		c.log.Warn("Redis may evict counters, whose customers are then refused until they are rebuilt; set maxmemory-policy to noeviction",
			"maxmemory_policy", policy)
	}
	version := infoField(text, "redis_version")
	if major, err := strconv.Atoi(before(version, ".")); err == nil && major < 7 {
		c.log.Warn("Redis is older than what the counters are tested with", "redis_version", version, "tested", "7")
	}
	if role := infoField(text, "role"); role != "" && role != "master" {
		c.log.Warn("Redis is a replica and takes no writes; name its master", "role", role)
	}
	return nil
}

func before(s, separator string) string {
	head, _, _ := strings.Cut(s, separator)
	return head
}

func infoField(text, name string) string {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
