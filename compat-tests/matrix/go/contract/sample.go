package contract

// Sample is what admin jobs write before they ask for offsets and sizes: the same in every run.
func Sample() []Record {
	var records []Record
	for number := range int64(10) {
		timestamp := 1700000000000 + number
		records = append(records, Record{Timestamp: &timestamp, Value: []byte("snow")})
	}
	return records
}
