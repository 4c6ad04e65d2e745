package billing

import "github.com/weirhq/weir/metering"

// Lease is the right to do some work, until somebody else has a later epoch.
type Lease struct {
	Name  string
	Epoch int64
}

// Contract is a subscription with everything that decides what it bills, read
// at one instant of the database.
type Contract struct {
	Subscription Subscription
	Version      int64 // moves with every change of the subscription
	Customer     Party
	Products     map[string]Product // of every phase
	Meters       map[string]string  // names by id, of every price
	Periods      []Period           // by index
	Billed       []BilledLine       // of earlier invoices, oldest first
	Grants       []Grant            // of the customer, in order of use
	Carried      []Account          // invoices of the customer that wait to be taken over, oldest first
}

// BilledLine is what a line of an earlier invoice billed.
type BilledLine struct {
	Invoice  string
	Number   string
	Kind     LineKind
	Index    int
	Price    string
	Meter    string
	Start    metering.Micros
	End      metering.Micros
	Quantity metering.Number // of the span so far, when it was billed
	Covered  metering.Number // by grants so far
	Amount   Money           // of this line alone
}

// Closing is a period that is closed, in one transaction: all of it or nothing.
type Closing struct {
	Lease   Lease
	Period  Period
	Version int64    // of the contract that was read
	Invoice *Invoice // nil: there is nothing to bill. Its number is given on the way
	Carry   bool     // too small to be charged
	Charge  *Payment // to be made; nil: nobody to charge, or nothing
	At      metering.Micros
}
