package pricebook

import (
	"github.com/weirhq/weir/metering/pricebook/catalogue"
	"github.com/weirhq/weir/metering/pricebook/snapshot"
)

// Embedded returns the layers that this program was built with.
func Embedded() ([]*catalogue.Layer, error) { return snapshot.Layers() }
