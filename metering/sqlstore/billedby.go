package sqlstore

import (
	"cmp"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/reconcile"
	"github.com/weirhq/weir/metering/sqldb"
)

// servedBy is the model that answered; NULL where it is the one that was asked
// for, or nobody said.
func servedBy(e *metering.Event) any {
	served := sqldb.Label(e.Usage.Model)
	if served == sqldb.Label(e.Model) {
		served = ""
	}
	return unusual(served, "")
}

// tierOf is the service tier as a provider's report has it; NULL: the standard.
func tierOf(e *metering.Event) any {
	tier := reconcile.TierOf(sqldb.Label(e.Usage.ServiceTier))
	if e.Usage.Flagged(metering.FlagBatchPrice) {
		tier = reconcile.TierBatch
	}
	return unusual(tier, reconcile.TierStandard)
}

// detailed is 1 where the document of an event says more of what the provider
// bills than its columns.
func detailed(e *metering.Event) any {
	u := &e.Usage
	other := false
	for i := range e.Attempts {
		other = other || e.Attempts[i].Usage != nil
	}
	if other || len(u.ByModel) > 0 || len(u.Quantities) > 0 || u.Tokens != ofClasses(u.Tokens.Classes()) {
		return int64(1)
	}
	return nil
}

// modelOf is the model of an event as reports name it, and what was asked for.
func modelOf(e *metering.Event) (asked, served string) {
	return cmp.Or(e.SentModel, e.Model), e.Usage.Model
}
