"""What the vendor's page documents, what we read into its silence, and the test that shows each."""

from tests.dialects.coverage_shape import Behaviour

COVERAGE = (
    # The attachments page (seed 001).
    Behaviour("documented", "An attachment has ten fields", "test_an_attachment_has_exactly_the_ten_fields"),
    Behaviour("documented", "The example objects", "test_every_example_is_answered_as_printed"),
    Behaviour("documented", "Times are ISO 8601 with a numeric offset", "test_times_are_in_utc_to_the_second"),
    Behaviour("documented", "updated_at is the last update", "test_a_change_moves_updated_at"),
    Behaviour("documented", "type is Document, Image, Video or Audio", "test_the_type_is_a_word_for_people"),
    Behaviour("documented", "download_url saves the file", "test_download_is_to_be_saved"),
    Behaviour("documented", "stream_url shows the file", "test_stream_is_to_be_viewed"),
    Behaviour(
        "documented", "GET /attachments pages through all of the account's", "test_pages_are_ten_rows_newest_first"
    ),
    Behaviour("documented", "meta.pagination", "test_the_envelope_says_where_the_page_lies"),
    Behaviour("documented", "Filter uuid is an exact match", "test_by_uuid"),
    Behaviour("documented", "Filters contact and property are relational", "test_by_contact_and_by_property"),
    Behaviour("documented", "They use the related object's attributes", "test_by_what_is_said_of_the_contact"),
    Behaviour("documented", "GET /attachments/:uuid", "test_every_example_is_answered_as_printed"),
    Behaviour("documented", "POST under a contact or a property, 201", "test_each_kind_of_parent_takes_files"),
    Behaviour("documented", "There is no other creating endpoint", "test_methods_that_the_page_does_not_offer"),
    Behaviour("documented", "Content-Type must be multipart/form-data", "test_only_multipart_is_taken"),
    Behaviour("documented", "Parts upload and description", "test_the_description_may_come_before_or_after_the_file"),
    Behaviour("documented", "description may be null", "test_an_empty_description_is_none"),
    Behaviour("documented", "PUT sets the description, 200", "test_the_description_changes_by_json_or_by_form"),
    Behaviour("documented", "PUT takes null", "test_null_or_an_empty_text_clears_the_description"),
    Behaviour("documented", "DELETE, 204", "test_a_deleted_attachment_is_gone_from_everywhere"),
    # Its neighbours (contract, tag D).
    Behaviour(
        "documented", "Bearer tokens in the Authorization header", "test_without_a_known_token_nothing_is_answered"
    ),
    Behaviour(
        "documented", "Scopes <resource>.read and .write", "test_each_scope_opens_its_own_operations_and_no_others"
    ),
    Behaviour(
        "documented", "pagination.links.previous and .next", "test_the_first_and_last_page_have_no_neighbour_beyond"
    ),
    Behaviour("documented", "Arrayables: name[] is any of them", "test_by_any_of_several_uuids"),
    Behaviour("documented", "The grammar of datetime intervals", "test_the_vendor_s_own_samples"),
    Behaviour("documented", "created_at and updated_at filters", "test_lists_are_narrowed_by_when_records_were_made"),
    Behaviour("documented", "Sixty requests a minute", "test_the_sixty_first_request_of_a_minute_is_refused"),
    Behaviour("documented", "Counted for each user", "test_the_tokens_of_one_user_share_the_quota"),
    Behaviour("documented", "X-RateLimit headers", "test_every_answer_to_a_known_caller_says_what_is_left"),
    Behaviour("documented", "Fields of a contact", "test_a_contact_has_exactly_its_fields"),
    Behaviour("documented", "Fields of a property", "test_a_property_has_exactly_its_fields"),
    Behaviour("documented", "Fuzzy filters of contacts", "test_every_text_of_a_contact_is_found_by_a_part_of_it"),
    Behaviour("documented", "Fuzzy filters of properties", "test_every_text_of_a_property_is_found_by_a_part_of_it"),
    Behaviour("documented", "Integer and boolean filters", "test_properties_by_numbers_and_by_yes_and_no"),
    # Readings where the pages are silent, cut off or at odds.
    Behaviour("reading", "Times are +00:00 to the second", "test_times_are_in_utc_to_the_second"),
    Behaviour("reading", "links is always an object", "test_an_empty_list_has_one_empty_page"),
    Behaviour(
        "reading", "links keep the other parameters", "test_links_lead_through_the_whole_list_and_keep_other_parameters"
    ),
    Behaviour("reading", "page from 1, ten rows", "test_pages_are_ten_rows_newest_first"),
    Behaviour("reading", "per_page up to 100", "test_up_to_a_hundred_rows_a_page"),
    Behaviour("reading", "A page past the end is empty", "test_a_page_past_the_end_is_empty_and_leads_back"),
    Behaviour("reading", "Pages that cannot be are refused", "test_pages_that_cannot_be_are_refused"),
    Behaviour("reading", "The order is stable", "test_rows_of_one_moment_keep_their_order"),
    Behaviour("reading", "Relational filters nest in brackets, a scalar means uuid", "test_by_contact_and_by_property"),
    Behaviour("reading", "uuid[] on attachments", "test_by_any_of_several_uuids"),
    Behaviour("reading", "Several filters must all hold", "test_all_conditions_hold_for_one_and_the_same_property"),
    Behaviour("reading", "Fuzzy is a part of the text in any case", "test_a_search_text_is_only_text"),
    Behaviour("reading", "Unknown filters are refused", "test_filters_that_are_not_known_or_not_readable_are_refused"),
    Behaviour("reading", "embed and include are passed over", "test_embedding_is_passed_over"),
    Behaviour("reading", "Empty parameters are absent", "test_an_empty_parameter_is_an_absent_one"),
    Behaviour("reading", "Forms of intervals around the samples", "test_our_readings_around_them"),
    Behaviour("reading", "Other texts are no interval", "test_anything_else_is_no_interval"),
    Behaviour("reading", "Errors in Laravel's shapes", "test_every_failure_has_a_status_and_a_message"),
    Behaviour("reading", "401 without a known token, also in the query", "test_file_urls_need_the_token_in_the_header"),
    Behaviour("reading", "429 with Retry-After", "test_the_sixty_first_request_of_a_minute_is_refused"),
    Behaviour("reading", "The rate is a setting", "test_the_operator_may_choose_another_rate_or_none"),
    Behaviour("reading", "upload is required", "test_a_missing_file_is_said_in_the_words_of_the_vendor_s_framework"),
    Behaviour(
        "reading", "Wrong, missing or repeated parts, 422", "test_a_form_with_wrong_parts_is_refused_and_leaves_nothing"
    ),
    Behaviour("reading", "Unknown parents, 404", "test_an_unknown_parent_is_not_found"),
    Behaviour("reading", "Parents of the wrong kind, 404", "test_a_property_is_not_found_among_contacts"),
    Behaviour("reading", "Any file name comes back exactly", "test_any_name_comes_back_as_it_was_sent"),
    Behaviour("reading", "Files over the limit, 413", "test_a_file_over_the_limit_is_refused"),
    Behaviour("reading", "PUT leaves what is absent", "test_what_is_absent_stays_and_other_fields_are_passed_over"),
    Behaviour("reading", "PUT by JSON or by form", "test_the_description_changes_by_json_or_by_form"),
    Behaviour("reading", "A second delete, 404", "test_a_deleted_attachment_is_gone_from_everywhere"),
    Behaviour("reading", "Unknown and malformed ids, 404", "test_an_unknown_or_malformed_id_is_not_found"),
    Behaviour(
        "reading", "Stream is inline only where safe", "test_what_could_act_in_a_browser_is_saved_even_from_stream"
    ),
    Behaviour("reading", "Ranges and conditions on files", "test_parts_and_conditions"),
    Behaviour("reading", "Create, update and delete contacts", "test_an_update_changes_what_it_names"),
    Behaviour("reading", "name, email and address are required", "test_wrong_input_is_refused_field_by_field"),
    Behaviour(
        "reading",
        "num_attachments moves, num_notes is 0",
        "test_the_number_of_attachments_moves_with_uploads_and_deletes",
    ),
    Behaviour(
        "reading", "Attachments go with their parent", "test_deleting_a_parent_deletes_what_belonged_to_it_alone"
    ),
    Behaviour(
        "reading",
        "Only contacts' and properties' files are seen",
        "test_only_attachments_of_contacts_and_properties_are_seen",
    ),
    Behaviour("reading", "Other accounts are not found", "test_another_account_s_ids_are_not_found"),
    Behaviour("reading", "Scoped actors see what is theirs", "test_a_scoped_actor_sees_only_what_is_its_own"),
)
